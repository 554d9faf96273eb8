// palana-init: process 1 of every sandbox.
//
// A process with number 1 ignores signals that it does not handle and inherits every orphan. So the agent's program is its
// child: signals are passed on, the dead are reaped, and the end of the program is the end of the sandbox.
//
//   palana-init -- PROGRAM ARGUMENT…
//
// Exit code: the program's, or 128 plus the signal that ended it; 127: no such program; 126: it cannot be run.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
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

int main(int count, char **arguments) {
  if (count < 3 || strcmp(arguments[1], "--") != 0) {
    fprintf(stderr, "usage: palana-init -- PROGRAM ARGUMENT...\n");
    return 126;
  }
  sigset_t all, old;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &old);
  sigemptyset(&old);
  pid_t child = fork();
  if (child < 0) {
    fprintf(stderr, "palana: cannot fork: %s\n", strerror(errno));
    return 126;
  }
  if (child == 0) start(arguments + 2, &old);
  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(&all, &info);
    if (number < 0) continue;
    if (number != SIGCHLD) {
      // Job control of a terminal that process 1 does not have.
      if (number != SIGTTIN && number != SIGTTOU && number != SIGTSTP) kill(child, number);
      continue;
    }
    for (;;) {
      int status;
      pid_t dead = waitpid(-1, &status, WNOHANG);
      if (dead <= 0) break;
      if (dead != child) continue;
      if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
      if (WIFSIGNALED(status)) _exit(128 + WTERMSIG(status));
    }
  }
}
