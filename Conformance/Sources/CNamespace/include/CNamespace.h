#ifndef CNAMESPACE_H
#define CNAMESPACE_H

/// Puts the calling thread into the network namespace behind a descriptor (setns(2)).
/// Returns 0, or -1 with errno.
int cnamespace_enter(int descriptor);

#endif
