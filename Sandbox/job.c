#include "shim.h"
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>

// A job is a specification, a few small files and secrets. More is a mistake.
enum { JOB_LIMIT = 16 << 20 };

static uint32_t little_endian(const unsigned char *bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void job_parse(struct job *job, char *bytes, size_t size) {
  size_t offset = 0, capacity = 0;
  job->records = NULL;
  job->count = 0;
  while (offset < size) {
    if (size - offset < 8) fail("the job is cut off");
    size_t key = little_endian((unsigned char *)bytes + offset);
    size_t value = little_endian((unsigned char *)bytes + offset + 4);
    offset += 8;
    if (key > size - offset || value > size - offset - key) fail("the job is cut off");
    if (job->count == capacity) {
      capacity = capacity ? capacity * 2 : 32;
      job->records = realloc(job->records, capacity * sizeof *job->records);
      if (!job->records) fail("out of memory");
    }
    char *copy = malloc(key + value + 2);
    if (!copy) fail("out of memory");
    memcpy(copy, bytes + offset, key);
    copy[key] = 0;
    memcpy(copy + key + 1, bytes + offset + key, value);
    copy[key + 1 + value] = 0;
    job->records[job->count++] = (struct record){.key = copy, .value = copy + key + 1, .size = value};
    offset += key + value;
  }
}

void job_read(struct job *job, int fd) {
  size_t size = 0, capacity = 1 << 16;
  char *bytes = malloc(capacity);
  for (;;) {
    if (!bytes) fail("out of memory");
    ssize_t count = read(fd, bytes + size, capacity - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("the job cannot be read: %s", strerror(errno));
    if (count == 0) break;
    size += (size_t)count;
    if (size > JOB_LIMIT) fail("the job is too large");
    if (size == capacity) bytes = realloc(bytes, capacity *= 2);
  }
  job_parse(job, bytes, size);
  free(bytes);
}

const char *job_get(const struct job *job, const char *key) {
  for (size_t i = 0; i < job->count; i++)
    if (strcmp(job->records[i].key, key) == 0) return job->records[i].value;
  return NULL;
}

const char *job_need(const struct job *job, const char *key) {
  const char *value = job_get(job, key);
  if (!value) fail("the job lacks '%s'", key);
  return value;
}

uint64_t job_number(const struct job *job, const char *key) {
  const char *text = job_need(job, key);
  char *end;
  errno = 0;
  uint64_t number = strtoull(text, &end, 10);
  if (errno || *end || end == text) fail("'%s' of the job is not a number", key);
  return number;
}
