#define _GNU_SOURCE
#include "CNamespace.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

int cnamespace_enter(int descriptor) { return setns(descriptor, CLONE_NEWNET); }

int cnamespace_keep_descriptors(void) { return (int)syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */); }
