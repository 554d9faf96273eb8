#define _GNU_SOURCE
#include "CNamespace.h"

#include <sched.h>

int cnamespace_enter(int descriptor) { return setns(descriptor, CLONE_NEWNET); }
