#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// <sys/mount.h> and <linux/mount.h> cannot be included together on some glibc versions.
int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#define CGROUP2_MAGIC 0x63677270

void mounts_private(void) {
  if (unshare(CLONE_NEWNS) != 0) fail("no mount namespace: %s", strerror(errno));
  // Slave, not private: otherwise a disk or a network namespace that the machine unmounts would live on in here.
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) fail("mounts cannot be made ours: %s", strerror(errno));
}

void mounts_hide_hybrid(void) {
  struct statfs top, unified;
  if (statfs("/sys/fs/cgroup", &top) != 0 || top.f_type == CGROUP2_MAGIC) return;
  if (statfs("/sys/fs/cgroup/unified", &unified) != 0 || unified.f_type != CGROUP2_MAGIC) return;
  if (umount2("/sys/fs/cgroup/unified", MNT_DETACH) != 0) fail("the hybrid cgroup mount stays: %s", strerror(errno));
}

void mounts_tmpfs(const char *path, const char *options) {
  if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) != 0)
    fail("no tmpfs at %s: %s", path, strerror(errno));
}

static void write_map(pid_t pid, const char *file, uint32_t inside, uint32_t outside, uint32_t size) {
  char path[64], line[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
  int length = snprintf(line, sizeof line, "%u %u %u\n", inside, outside, size);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, line, (size_t)length) != length) fail("ids cannot be mapped: %s", strerror(errno));
  close(fd);
}

// The child's part of userns_open: makes the namespace as `owner`, says so, and waits until nobody needs it as an example.
static noreturn void userns_hold(uint32_t owner, int ready, int gate) {
  char byte = 0;
  // The capabilities stay, so that machines that forbid user namespaces to ordinary users need no exception.
  if (owner && (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) != 0 || setresuid((uid_t)-1, owner, (uid_t)-1) != 0)) _exit(1);
  if (unshare(CLONE_NEWUSER) != 0 || write(ready, &byte, 1) != 1) _exit(1);
  while (read(gate, &byte, 1) < 0 && errno == EINTR) {
  }
  _exit(0);
}

int userns_open(
    uint32_t owner, uint32_t inside_uid, uint32_t outside_uid, uint32_t inside_gid, uint32_t outside_gid, uint32_t size) {
  int gate[2], ready[2];
  if (pipe2(gate, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0) fail("no pipe: %s", strerror(errno));
  // Exists only so that its namespace does; the descriptor keeps the namespace afterwards.
  pid_t pid = fork();
  if (pid < 0) fail("no process: %s", strerror(errno));
  if (pid == 0) {
    close(gate[1]), close(ready[0]);
    userns_hold(owner, ready[1], gate[0]);
  }
  close(gate[0]), close(ready[1]);
  char byte;
  ssize_t count;
  while ((count = read(ready[0], &byte, 1)) < 0 && errno == EINTR) {
  }
  if (count != 1) fail("no user namespace");
  close(ready[0]);
  write_map(pid, "uid_map", inside_uid, outside_uid, size);
  write_map(pid, "gid_map", inside_gid, outside_gid, size);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("the user namespace cannot be opened: %s", strerror(errno));
  close(gate[1]);
  waitpid(pid, NULL, 0);
  return fd;
}

void mounts_userns(int userns, const char *target) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", userns);
  int file = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 || mount(path, target, NULL, MS_BIND, NULL) != 0) fail("%s: %s", target, strerror(errno));
  close(file);
}

void mounts_idmapped(const char *source, const char *target, int userns, bool writable) {
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) fail("%s cannot be opened: %s", source, strerror(errno));
  struct mount_attr attributes = {
      .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY),
      .userns_fd = (uint64_t)userns,
  };
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    fail("the file system of %s cannot map ids (Linux 5.19 and ext4, xfs or btrfs can): %s", source, strerror(errno));
  if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0)
    fail("nothing can be mounted at %s: %s", target, strerror(errno));
  close(tree);
}

void mounts_bind(const char *source, const char *target) {
  if (mount(source, target, NULL, MS_BIND, NULL) != 0 ||
      mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0)
    fail("%s cannot be mounted: %s", source, strerror(errno));
}

void mounts_overlay(const char *bundle, uint32_t root_id) {
  // Relative names: a colon or comma in a folder's name would change the meaning of the options.
  if (chdir(bundle) != 0) fail("%s: %s", bundle, strerror(errno));
  if (mkdir("scratch", 0711) != 0 || mkdir("scratch/upper", 0755) != 0 || mkdir("scratch/work", 0700) != 0)
    fail("no scratch layer: %s", strerror(errno));
  // The root of the overlay has the scratch layer's owner: the sandbox's own root makes the mount points.
  if (chown("scratch/upper", root_id, root_id) != 0) fail("no scratch layer: %s", strerror(errno));
  if (mount("overlay", "rootfs", "overlay", MS_NOSUID | MS_NODEV,
            "lowerdir=lower,upperdir=scratch/upper,workdir=scratch/work") != 0)
    fail("no overlay over the image (Linux 5.19 or newer can): %s", strerror(errno));
  if (chdir("/") != 0) fail("/: %s", strerror(errno));
}
