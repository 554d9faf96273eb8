#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static void pause_milliseconds(long milliseconds) {
  struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
  nanosleep(&time, NULL);
}

// The image, locked. The loop device keeps this open file for as long as it exists, and with it the lock: so two mounts
// of one image, which would destroy it, cannot happen, not even when a shim was killed and its sandbox lives on.
static int image_open(const char *image) {
  int file = open(image, O_RDWR | O_CLOEXEC);
  if (file < 0) fail("the storage %s cannot be opened: %s", image, strerror(errno));
  for (int tries = 0; flock(file, LOCK_EX | LOCK_NB) != 0; tries++) {
    if (errno != EWOULDBLOCK || tries == 250) fail("the storage %s is still in use", image);
    pause_milliseconds(20);
  }
  return file;
}

static int loop_node(int number, char *path, size_t size) {
  snprintf(path, size, "/dev/loop%d", number);
  int loop = open(path, O_RDWR | O_CLOEXEC);
  if (loop < 0 && errno == ENOENT) {
    mknod(path, S_IFBLK | 0600, makedev(7, (unsigned)number));
    loop = open(path, O_RDWR | O_CLOEXEC);
  }
  return loop;
}

// A loop device over `file` that frees itself with its last user.
static int loop_attach(int file, char *path, size_t size) {
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0) fail("no loop devices (/dev/loop-control): %s", strerror(errno));
  for (int tries = 0; tries < 1000; tries++) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) fail("no free loop device: %s", strerror(errno));
    int loop = loop_node(number, path, size);
    if (loop < 0) fail("%s: %s", path, strerror(errno));
    struct loop_config config = {.fd = (uint32_t)file, .block_size = 4096};
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (ioctl(loop, LOOP_CONFIGURE, &config) == 0) {
      close(control);
      return loop;
    }
    // Another sandbox that starts at the same moment took it first.
    if (errno != EBUSY) fail("the storage cannot be attached: %s", strerror(errno));
    close(loop);
    pause_milliseconds(tries < 20 ? 1 : 5);
  }
  fail("no free loop device");
}

static void option(int context, const char *key) {
  if (syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, key, NULL, 0) != 0)
    fail("storage option %s: %s", key, strerror(errno));
}

void storage_mount(const char *image, const char *target, int userns) {
  int file = image_open(image);
  char path[32];
  int loop = loop_attach(file, path, sizeof path);
  int context = (int)syscall(SYS_fsopen, "ext4", 1 /* FSOPEN_CLOEXEC */);
  if (context < 0) fail("no ext4: %s", strerror(errno));
  if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", path, 0) != 0) fail("%s", strerror(errno));
  // The file is sparse and new: its inode tables are zero already. Freed blocks go back to the machine.
  option(context, "noinit_itable");
  option(context, "discard");
  if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
    fail("the storage %s cannot be mounted: %s", image, strerror(errno));
  int tree = (int)syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (tree < 0) fail("the storage %s cannot be mounted: %s", image, strerror(errno));
  close(context);
  close(loop);
  int root = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  unlinkat(root, "lost+found", AT_REMOVEDIR);  // unmapped inside, a puzzle to whoever lists it
  close(root);
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    fail("the storage cannot map ids (Linux 5.12 or newer can): %s", strerror(errno));
  if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0)
    fail("nothing can be mounted at %s: %s", target, strerror(errno));
  close(tree);
  close(file);
}
