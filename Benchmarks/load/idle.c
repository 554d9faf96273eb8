// Many open tunnels that do nothing: what they cost a proxy in memory, and how fast a kill ends them.
//
// Each carries one request first, so that it is a real connection with its upstream side. Prints one line when all are open, and
// one when the last was closed or the time is over; both with the clock's microseconds.
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kOpeners = 16 };

static SSL **tunnels;
static atomic_int next;

static void *open_some(void *argument) {
  struct worker *worker = argument;
  char *buffer = malloc(kBuffer), text[2048];
  int length = request_text(text, sizeof text);
  for (int i; (i = atomic_fetch_add(&next, 1)) < options.connections;) {
    SSL *ssl = open_tunnel(worker);
    if (!ssl) continue;
    int status = request(worker, ssl, text, length, buffer);
    if (status == 200) {
      tunnels[i] = ssl;
      worker->requests++;
      continue;
    }
    if (status > 0) worker->errors++;
    if (status > 0 && !worker->error[0]) snprintf(worker->error, sizeof worker->error, "status %d", status);
    close_tunnel(ssl);
  }
  free(buffer);
  return NULL;
}

// Reads away what came (session tickets, close notices); whether the connection has ended.
static int has_ended(int fd) {
  char bytes[4096];
  for (;;) {
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got == 0) return 1;
    if (got < 0) return errno != EAGAIN && errno != EINTR;
  }
}

static void wait_for_ends(int open, uint64_t until) {
  int poller = epoll_create1(EPOLL_CLOEXEC), closed = 0;
  for (int i = 0; i < options.connections; i++)
    if (tunnels[i]) {
      struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = SSL_get_fd(tunnels[i])};
      epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event);
    }
  uint64_t first = 0, last = 0;
  while (closed < open && now_us() < until) {
    struct epoll_event events[256];
    int count = epoll_wait(poller, events, 256, 100);
    for (int i = 0; i < count; i++) {
      if (!has_ended(events[i].data.fd)) continue;
      epoll_ctl(poller, EPOLL_CTL_DEL, events[i].data.fd, NULL);
      last = now_us();
      if (!first) first = last;
      closed++;
    }
  }
  printf("{\"closed\":%d,\"first_us\":%lu,\"last_us\":%lu}\n", closed, first, last);
}

int hold_idle(void) {
  tunnels = calloc((size_t)options.connections, sizeof *tunnels);
  struct worker workers[kOpeners] = {0};
  uint64_t start = now_us();
  for (int i = 0; i < kOpeners; i++)
    if (pthread_create(&workers[i].thread, NULL, open_some, &workers[i])) return fprintf(stderr, "no thread\n"), 1;
  int open = 0;
  const char *error = "";
  for (int i = 0; i < kOpeners; i++) {
    pthread_join(workers[i].thread, NULL);
    open += (int)workers[i].requests;
    if (workers[i].error[0]) error = workers[i].error;
  }
  uint64_t now = now_us();
  printf("{\"open\":%d,\"seconds\":%.3f,\"now_us\":%lu,\"error\":\"", open, (double)(now - start) / 1e6, now);
  print_escaped(error);
  printf("\"}\n");
  fflush(stdout);
  wait_for_ends(open, now + (uint64_t)options.seconds * 1000000);
  fflush(stdout);
  // Without closing one by one: the kernel does it.
  _exit(open ? 0 : 1);
}
