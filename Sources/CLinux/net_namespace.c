// Network namespaces. A thread has one, so each call works on a thread of its own that ends before the call returns: no
// thread of the daemon is ever left inside an agent's namespace.

#define _GNU_SOURCE
#include "CLinuxNet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <unistd.h>

struct job {
  const char *path;
  int protocol;
  int result;
};

static int on_own_thread(void *(*body)(void *), struct job *job) {
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all, before;
  int code = pthread_attr_init(&attributes);
  if (code != 0) return -code;
  pthread_attr_setstacksize(&attributes, 128 * 1024);
  // The thread inherits a full mask: no signal handler of the daemon runs inside an agent's namespace.
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  code = pthread_create(&thread, &attributes, body, job);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (code != 0) return -code;
  pthread_join(thread, NULL);
  return job->result;
}

int clnet_write(const char *path, const char *text) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return -errno;
  size_t count = strlen(text);
  ssize_t written = write(file, text, count);
  int code = written == (ssize_t)count ? 0 : (written < 0 ? -errno : -EIO);
  close(file);
  return code;
}

// Absent files mean a kernel without IPv6, where there is nothing to disable.
static int disable_ipv6(void) {
  const char *paths[] = {
      "/proc/sys/net/ipv6/conf/all/disable_ipv6",
      "/proc/sys/net/ipv6/conf/default/disable_ipv6",
  };
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    int code = clnet_write(paths[i], "1");
    if (code != 0 && code != -ENOENT) return code;
  }
  return 0;
}

static void *create_body(void *argument) {
  struct job *job = argument;
  int file = open(job->path, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
  if (file < 0) {
    job->result = -errno;
    return NULL;
  }
  close(file);
  int code = 0;
  if (unshare(CLONE_NEWNET) != 0) code = -errno;
  if (code == 0) code = disable_ipv6();
  if (code == 0 && mount("/proc/thread-self/ns/net", job->path, NULL, MS_BIND, NULL) != 0) code = -errno;
  if (code != 0) unlink(job->path);
  job->result = code;
  return NULL;
}

int clnet_namespace_create(const char *path) {
  struct job job = {.path = path};
  return on_own_thread(create_body, &job);
}

static int open_socket(int protocol) {
  int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (descriptor < 0) return -errno;
  struct timeval patience = {.tv_sec = 5};
  int yes = 1, size = 4 << 20;
  // The kernel answers at once; the limit only keeps a bug from blocking a kill. The other options are best effort.
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof yes);
  setsockopt(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof yes);
  struct sockaddr_nl own = {.nl_family = AF_NETLINK};
  if (bind(descriptor, (struct sockaddr *)&own, sizeof own) != 0) {
    int code = -errno;
    close(descriptor);
    return code;
  }
  return descriptor;
}

static void *socket_body(void *argument) {
  struct job *job = argument;
  int file = open(job->path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    job->result = -errno;
    return NULL;
  }
  job->result = setns(file, CLONE_NEWNET) == 0 ? open_socket(job->protocol) : -errno;
  close(file);
  return NULL;
}

int clnet_socket(const char *path, int protocol) {
  if (path == NULL) return open_socket(protocol);
  struct job job = {.path = path, .protocol = protocol};
  return on_own_thread(socket_body, &job);
}

int clnet_namespace_exists(const char *path) {
  struct statfs info;
  if (statfs(path, &info) != 0) return errno == ENOENT ? 0 : -errno;
  return info.f_type == NSFS_MAGIC ? 1 : 0;
}

int clnet_namespace_remove(const char *path) {
  // More than once when somebody bound it twice. EINVAL: not mounted.
  for (int i = 0; i < 16; i++) {
    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == EINVAL || errno == ENOENT) break;
    return -errno;
  }
  // Deleting the file also ends copies of the mount in other mount namespaces, such as those of running sandboxes.
  if (unlink(path) != 0 && errno != ENOENT) return -errno;
  return 0;
}

int clnet_send(int descriptor, const uint8_t *bytes, size_t count) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do {
    sent = sendto(descriptor, bytes, count, 0, (struct sockaddr *)&kernel, sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return -errno;
  return (size_t)sent == count ? 0 : -EIO;
}

long clnet_receive(int descriptor, uint8_t *bytes, size_t capacity) {
  for (;;) {
    struct sockaddr_nl from = {0};
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1};
    ssize_t count = recvmsg(descriptor, &message, 0);
    if (count < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    // Any process may send to a netlink socket; only port 0 is the kernel.
    if (from.nl_pid != 0) continue;
    if (message.msg_flags & MSG_TRUNC) return -ENOBUFS;
    return count;
  }
}
