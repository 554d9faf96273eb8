// palana-init: process 1 of every sandbox.
//
// A process with number 1 ignores signals that it does not handle and inherits every orphan. So the agent's program is
// its child: signals are passed on, the dead are reaped, and the end of the program is the end of the sandbox.
//
//   palana-init -- PROGRAM ARGUMENT…
//
// Standard input is the life line: a pipe whose other end the sandbox's keeper holds. When it closes, nobody watches
// the sandbox any more, and it ends at once. The program gets an empty input instead.
//
// Exit code: the program's, or 128 plus the signal that ended it; 127: no such program; 126: it cannot be run.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void start(char **command, const sigset_t *old) {
  // A session of its own: a signal to the program's group never reaches process 1.
  setsid();
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigprocmask(SIG_SETMASK, old, NULL);
  execvp(command[0], command);
  int error = errno;
  fprintf(stderr, "palana: cannot run '%s': %s\n", command[0], strerror(error));
  _exit(error == ENOENT ? 127 : 126);
}

// Moves the life line out of the program's sight; -1: there is none, and nobody to miss.
static int take_life_line(void) {
  struct stat status;
  int line = -1;
  if (fstat(STDIN_FILENO, &status) == 0 && S_ISFIFO(status.st_mode)) line = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null >= 0) dup2(null, STDIN_FILENO);
  if (null > STDIN_FILENO) close(null);
  return line;
}

static void reap(pid_t program) {
  for (;;) {
    int status;
    pid_t dead = waitpid(-1, &status, WNOHANG);
    if (dead <= 0) return;
    if (dead != program) continue;
    if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
    if (WIFSIGNALED(status)) _exit(128 + WTERMSIG(status));
  }
}

int main(int count, char **arguments) {
  if (count < 3 || strcmp(arguments[1], "--") != 0) {
    fprintf(stderr, "usage: palana-init -- PROGRAM ARGUMENT...\n");
    return 126;
  }
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &all, NULL);
  int line = take_life_line();
  int signals = signalfd(-1, &all, SFD_CLOEXEC);
  pid_t child = signals < 0 ? -1 : fork();
  if (child < 0) {
    fprintf(stderr, "palana: cannot fork: %s\n", strerror(errno));
    return 126;
  }
  if (child == 0) start(arguments + 2, &none);
  for (;;) {
    struct pollfd polls[2] = {{.fd = signals, .events = POLLIN}, {.fd = line, .events = 0}};
    if (poll(polls, 2, -1) < 0) continue;
    // Process 1 takes all others with it.
    if (polls[1].revents & (POLLHUP | POLLERR)) _exit(137);
    struct signalfd_siginfo info;
    if (!(polls[0].revents & POLLIN) || read(signals, &info, sizeof info) != sizeof info) continue;
    int number = (int)info.ssi_signo;
    if (number == SIGCHLD) reap(child);
    // Job control of a terminal that process 1 does not have.
    else if (number != SIGTTIN && number != SIGTTOU && number != SIGTSTP) kill(child, number);
  }
}
