#define _GNU_SOURCE
#include "CLinuxSandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

int clsandbox_pidfd_open(int pid) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  return fd < 0 ? -errno : fd;
}

int clsandbox_pidfd_signal(int pidfd, int number) {
  return syscall(SYS_pidfd_send_signal, pidfd, number, (void *)0, 0) < 0 ? -errno : 0;
}

int clsandbox_open_in_root(int folder, const char *path, int flags) {
  struct open_how how = {
      .flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  // EAGAIN: something was renamed meanwhile, and the kernel could not be sure. A hostile tree can keep that up, so not
  // for ever.
  for (int tries = 0;; tries++) {
    int fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
    if (fd >= 0) return fd;
    if (errno != EAGAIN || tries == 64) return -errno;
  }
}

int clsandbox_path_flag(void) { return O_PATH; }

int clsandbox_memory_file(void) {
  int fd = memfd_create("palana", MFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int clsandbox_space(int descriptor, uint64_t *used, uint64_t *capacity) {
  struct statvfs status;
  if (fstatvfs(descriptor, &status) != 0) return -errno;
  *capacity = (uint64_t)status.f_blocks * status.f_frsize;
  *used = (uint64_t)(status.f_blocks - status.f_bfree) * status.f_frsize;
  return 0;
}

int clsandbox_poll_open(void) {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int clsandbox_poll_add(int poll, int descriptor) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = descriptor};
  return epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) < 0 ? -errno : 0;
}

int clsandbox_poll_remove(int poll, int descriptor) {
  return epoll_ctl(poll, EPOLL_CTL_DEL, descriptor, (void *)0) < 0 ? -errno : 0;
}

int clsandbox_poll_wait(int poll, int *ready, int capacity) {
  struct epoll_event events[64];
  int count = epoll_wait(poll, events, capacity < 64 ? capacity : 64, -1);
  if (count < 0) return errno == EINTR ? 0 : -errno;
  for (int i = 0; i < count; i++) ready[i] = events[i].data.fd;
  return count;
}

int clsandbox_watch_open(void) {
  int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

int clsandbox_watch_add(int inotify, const char *folder) {
  int watch = inotify_add_watch(
      inotify, folder, IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
  return watch < 0 ? -errno : watch;
}

int clsandbox_lock_is_free(const char *path) {
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 1 : -errno;
  int result = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 1 : (errno == EWOULDBLOCK ? 0 : -errno);
  close(fd);
  return result;
}
