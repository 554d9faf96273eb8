#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_all(int fd, const char *bytes, size_t size, const char *name) {
  while (size > 0) {
    ssize_t count = write(fd, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("%s cannot be written: %s", name, strerror(errno));
    bytes += count;
    size -= (size_t)count;
  }
}

// Makes the folders of `path` below `folder`.
static void make_parents(int folder, const char *path) {
  char copy[512];
  if (strlen(path) >= sizeof copy || path[0] == '/' || strstr(path, "..")) fail("'%s' is not a file's name", path);
  strcpy(copy, path);
  for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdirat(folder, copy, 0755) != 0 && errno != EEXIST) fail("%s: %s", copy, strerror(errno));
    *slash = '/';
  }
}

void files_write(const struct job *job, const char *folder) {
  int base = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (base < 0) fail("%s: %s", folder, strerror(errno));
  for (size_t i = 0; i < job->count; i++) {
    const struct record *record = &job->records[i];
    if (strncmp(record->key, "file/", 5) != 0) continue;
    const char *name = record->key + 5;
    unsigned mode, uid, gid;
    int start = 0;
    if (sscanf(record->value, "%o %u %u%n", &mode, &uid, &gid, &start) != 3 || record->value[start] != '\n')
      fail("'%s' of the job has no owner", record->key);
    start++;
    make_parents(base, name);
    int fd = openat(base, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) fail("%s: %s", name, strerror(errno));
    write_all(fd, record->value + start, record->size - (size_t)start, name);
    if (fchown(fd, uid, gid) != 0 || fchmod(fd, mode) != 0) fail("%s: %s", name, strerror(errno));
    close(fd);
  }
  close(base);
}

void file_replace(const char *folder, const char *name, const char *text) {
  char path[4096], draft[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  snprintf(draft, sizeof draft, "%s/.%s.new", folder, name);
  int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  ssize_t size = (ssize_t)strlen(text);
  bool whole = write(fd, text, (size_t)size) == size;
  close(fd);
  if (whole) rename(draft, path);
}

ssize_t file_read(const char *path, char *bytes, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t count = read(fd, bytes, size - 1);
  close(fd);
  bytes[count < 0 ? 0 : count] = 0;
  return count;
}

uint64_t process_start(pid_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (file_read(path, text, sizeof text) <= 0) return 0;
  // The name stands in brackets and may hold anything, also brackets; field 22 counts from the last one.
  char *field = strrchr(text, ')');
  for (int number = 2; field && number < 22; number++) field = strchr(field + 1, ' ');
  return field ? strtoull(field + 1, NULL, 10) : 0;
}
