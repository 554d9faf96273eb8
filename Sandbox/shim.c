// palana-shim: keeps one sandbox, or one command in it, apart from the daemon.
//
//   palana-shim run    reads a job from standard input, starts the sandbox, answers "ok" or "error SENTENCE" and leaves
//                      a process behind that owns the sandbox's mounts, output and end until the sandbox is gone
//   palana-shim exec   runs one command in a running sandbox; frames on standard input and output (exec.c)
//
// Everything that is made for a sandbox is mounted in the mount namespace of its shim only: when the shim and the
// sandbox are gone, nothing is left to clean up on the machine, however they ended.
#include "shim.h"
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

int main(int count, char **arguments) {
  // Secrets pass through here: no core file, no debugger but root's.
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
  umask(022);  // crun inherits it for the mount points it makes; what is private says so itself
  if (count == 2 && strcmp(arguments[1], "run") == 0) return run_main();
  if (count == 2 && strcmp(arguments[1], "exec") == 0) return exec_main();
  fprintf(stderr, "usage: palana-shim run | exec\n");
  return 2;
}
