#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void signals_default(void) {
  sigset_t none;
  sigemptyset(&none);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

int signals_open(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGCHLD);
  sigaddset(&wanted, SIGTERM);
  sigprocmask(SIG_BLOCK, &wanted, NULL);
  int fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) fail("no signal descriptor: %s", strerror(errno));
  return fd;
}

pid_t spawn(char *const arguments[], int in, int out, int error) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  setpgid(0, 0);
  signals_default();
  // Above the standard three first, so that no dup2 overwrites one that is still needed.
  in = fcntl(in, F_DUPFD, 10);
  out = fcntl(out, F_DUPFD, 10);
  error = fcntl(error, F_DUPFD, 10);
  if (in < 0 || out < 0 || error < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(error, 2) < 0) _exit(126);
  syscall(SYS_close_range, 3, ~0U, 0);
  char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  execve(arguments[0], arguments, environment);
  _exit(127);
}

bool wait_for(pid_t pid, int *status, int milliseconds) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  while (fd >= 0 && poll(&wait, 1, milliseconds) < 0 && errno == EINTR) {
  }
  if (fd >= 0) close(fd);
  return waitpid(pid, status, WNOHANG) == pid;
}
