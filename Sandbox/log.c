// The output of a run as lines `TIME STREAM TAG TEXT` (the log format of Kubernetes' container runtimes): TAG is F for
// a whole line and P for a part of one that was too long. Files are numbered upwards and removed from the oldest: a
// reader that follows only ever goes to the next number.
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_LIMIT = 16384, READ_SIZE = 32768 };

static int folder_fd = -1, file_fd = -1;
static uint64_t file_limit, file_size;
static unsigned file_count, file_number;

static struct {
  char text[LINE_LIMIT];
  size_t size;
} lines[2];

static char out[READ_SIZE * 2];
static size_t out_size;

uint64_t now_microseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void next_file(void) {
  char name[32];
  if (file_fd >= 0) close(file_fd);
  snprintf(name, sizeof name, "%06u.log", ++file_number);
  file_fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  file_size = 0;
  if (file_number > file_count) {
    snprintf(name, sizeof name, "%06u.log", file_number - file_count);
    unlinkat(folder_fd, name, 0);
  }
}

void log_open(const char *folder, uint64_t file_bytes, unsigned files) {
  folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd < 0) fail("the log folder %s: %s", folder, strerror(errno));
  file_limit = file_bytes;
  file_count = files < 1 ? 1 : files;
  next_file();
  if (file_fd < 0) fail("the log %s: %s", folder, strerror(errno));
}

// A full disk loses lines, never the agent: it must not hang because nobody can write down what it says.
static void flush(void) {
  size_t done = 0;
  while (done < out_size && file_fd >= 0) {
    ssize_t count = write(file_fd, out + done, out_size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += (size_t)count;
  }
  file_size += done;
  out_size = 0;
  if (file_size >= file_limit) next_file();
}

static void emit(enum log_stream stream, bool whole) {
  enum { HEAD = 40 };
  if (sizeof out - out_size < lines[stream].size + HEAD + 1) flush();
  uint64_t now = now_microseconds();
  time_t seconds = (time_t)(now / 1000000);
  struct tm date;
  gmtime_r(&seconds, &date);
  out_size += (size_t)snprintf(
      out + out_size, HEAD + 1, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ %s %c ", date.tm_year + 1900, date.tm_mon + 1,
      date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec, (unsigned)(now % 1000000),
      stream == LOG_STDOUT ? "stdout" : "stderr", whole ? 'F' : 'P');
  memcpy(out + out_size, lines[stream].text, lines[stream].size);
  out_size += lines[stream].size;
  out[out_size++] = '\n';
  lines[stream].size = 0;
}

static void take(enum log_stream stream, const char *bytes, size_t size) {
  while (size > 0) {
    const char *end = memchr(bytes, '\n', size);
    size_t length = end ? (size_t)(end - bytes) : size;
    size_t room = LINE_LIMIT - lines[stream].size;
    if (length > room) length = room, end = NULL;
    memcpy(lines[stream].text + lines[stream].size, bytes, length);
    lines[stream].size += length;
    bytes += length;
    size -= length;
    if (end) {
      emit(stream, true);
      bytes++, size--;
    } else if (lines[stream].size == LINE_LIMIT && size > 0) {
      // Only when more follows: a line of exactly the limit is whole.
      if (*bytes == '\n') {
        emit(stream, true);
        bytes++, size--;
      } else {
        emit(stream, false);
      }
    }
  }
}

bool log_pump(enum log_stream stream, int fd) {
  static char bytes[READ_SIZE];
  ssize_t count = read(fd, bytes, sizeof bytes);
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  if (count == 0) return false;
  take(stream, bytes, (size_t)count);
  flush();
  return true;
}

void log_finish(void) {
  for (int stream = 0; stream < 2; stream++)
    if (lines[stream].size > 0) emit(stream, true);
  flush();
}
