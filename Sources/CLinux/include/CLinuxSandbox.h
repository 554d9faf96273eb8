#ifndef CLINUX_SANDBOX_H
#define CLINUX_SANDBOX_H

// What the sandbox part needs from the kernel and Swift cannot call: system calls without a wrapper in glibc.

#include <stdint.h>

/// A descriptor of the process `pid`, readable when it has ended. Negative errno on failure (ESRCH: there is none).
int clsandbox_pidfd_open(int pid);

/// Sends a signal to exactly the process that `pidfd` was opened for. 0, or a negative errno (ESRCH: it has ended).
int clsandbox_pidfd_signal(int pidfd, int number);

/// Opens `path` as if `folder` were the root: links and `..` cannot lead out of it, and the links of /proc are refused.
/// A descriptor (close-on-exec), or a negative errno.
int clsandbox_open_in_root(int folder, const char *path, int flags);

/// The flag O_PATH, which Swift does not see.
int clsandbox_path_flag(void);

/// An empty file in memory, close-on-exec. Negative errno on failure.
int clsandbox_memory_file(void);

/// Bytes in use and in all of the file system that `descriptor` stands on. 0, or a negative errno.
int clsandbox_space(int descriptor, uint64_t *used, uint64_t *capacity);

/// An epoll descriptor; a wait on it; and adding or removing one descriptor, edge-triggered, for reading.
/// All: negative errno on failure. The wait returns the number of entries of `ready` that it filled (descriptors).
int clsandbox_poll_open(void);
int clsandbox_poll_add(int poll, int descriptor);
int clsandbox_poll_remove(int poll, int descriptor);
int clsandbox_poll_wait(int poll, int *ready, int capacity);

/// An inotify descriptor (non-blocking); and a watch on a folder for files that appear, move, or are written, or its
/// own end. Negative errno on failure.
int clsandbox_watch_open(void);
int clsandbox_watch_add(int inotify, const char *folder);

/// Tries to take the file's lock without waiting: 1: taken (and released again at once), 0: somebody holds it; negative
/// errno.
int clsandbox_lock_is_free(const char *path);

#endif
