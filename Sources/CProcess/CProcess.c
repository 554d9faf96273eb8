#include "CProcess.h"

#include <sys/prctl.h>

int palana_process_set_not_dumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
