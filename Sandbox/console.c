// How crun hands over the terminal of a command: it connects to a socket and sends the descriptor.
#include "shim.h"
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int console_listen(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0) return -1;
  return fd;
}

int console_receive(int listener, int milliseconds) {
  struct pollfd wait = {.fd = listener, .events = POLLIN};
  if (poll(&wait, 1, milliseconds) != 1) return -1;
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  char byte[64], control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {.iov_base = byte, .iov_len = sizeof byte};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  int result = -1;
  if (fd >= 0 && recvmsg(fd, &message, MSG_CMSG_CLOEXEC) > 0) {
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
      memcpy(&result, CMSG_DATA(head), sizeof result);
  }
  if (fd >= 0) close(fd);
  return result;
}
