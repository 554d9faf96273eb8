#include "shim.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int report_fd = STDOUT_FILENO;
void (*report_cleanup)(void);
void (*report_failure)(const char *sentence);

void report(const char *text) {
  if (report_fd < 0) return;
  size_t left = strlen(text);
  while (left > 0) {
    ssize_t count = write(report_fd, text, left);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text += count;
    left -= (size_t)count;
  }
  if (report_fd > 2) close(report_fd);
  report_fd = -1;
}

noreturn void fail(const char *format, ...) {
  char text[2048] = "error ";
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + 6, sizeof text - 7, format, arguments);
  va_end(arguments);
  void (*cleanup)(void) = report_cleanup;
  report_cleanup = NULL;
  if (cleanup) cleanup();
  if (report_failure) report_failure(text + 6);
  strcat(text, "\n");
  report(text);
  _exit(1);
}
