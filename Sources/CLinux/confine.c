#define _GNU_SOURCE
#include "CLinuxConfine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static int limit(int what, rlim_t most) {
  struct rlimit value = {.rlim_cur = most, .rlim_max = most};
  return setrlimit(what, &value) == 0 ? 0 : -errno;
}

int clconfine_enter(const char *network, uint32_t id) {
  int file = open(network, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -errno;
  int code = setns(file, CLONE_NEWNET) == 0 ? 0 : -errno;
  close(file);
  if (code != 0) return code;
  // EINVAL: past the last capability of this kernel.
  for (unsigned long capability = 0; capability < 64; capability++) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      if (errno == EINVAL) break;
      return -errno;
    }
  }
  if ((code = limit(RLIMIT_CORE, 0)) != 0) return code;
  if ((code = limit(RLIMIT_FSIZE, 0)) != 0) return code;
  if ((code = limit(RLIMIT_NOFILE, 128)) != 0) return code;
  // The C library does these for every thread of the process. Leaving user 0 clears the capabilities.
  if (setgroups(0, NULL) != 0) return -errno;
  if (setresgid(id, id, id) != 0) return -errno;
  if (setresuid(id, id, id) != 0) return -errno;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return -errno;
  // What was given up must not come back.
  if (setresuid(0, 0, 0) == 0 || geteuid() == 0) return -EPERM;
  alarm(120);
  return 0;
}
