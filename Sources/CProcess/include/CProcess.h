#ifndef CPROCESS_H
#define CPROCESS_H

// Forbids core dumps and reading of this process's memory by processes without CAP_SYS_PTRACE. Returns 0 or -1 with errno.
int palana_process_set_not_dumpable(void);

#endif
