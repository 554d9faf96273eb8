#ifndef CNAMESPACE_H
#define CNAMESPACE_H

/// Puts the calling thread into the network namespace behind a descriptor (setns(2)).
/// Returns 0, or -1 with errno.
int cnamespace_enter(int descriptor);

/// Marks every descriptor from 3 on as one that no program inherits (close_range(2)).
/// Returns 0, or -1 with errno.
int cnamespace_keep_descriptors(void);

#endif
