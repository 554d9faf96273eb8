// Calls of a model, over HTTP/1.1 without TLS: so many connections, each one call after the other.
//
// Usage: calls ADDRESS:PORT PATH BODY-FILE CONNECTIONS SECONDS [--hold] [HEADER…]
// --hold: one stream on each connection that is left open; prints a line when every one has its first event, and ends with its input.
// Prints JSON: requests, perSecond, p50us, p99us (request to the end of its answer), firstP50us, firstP99us (to the first event of a
// stream), events, eventsPerSecond, errors, error. The first tenth of the time is not counted.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 16 };

struct call {
  int fd;
  size_t sent;
  long begun, first;
  int has_head, is_chunked, matched;
  long left;             // of a body with a length
  char head[8192];
  size_t head_length;
  char tail[8];          // the last bytes that came
  long events;
};

static char *request;
static size_t request_length;
static struct sockaddr_in address;
static int poller;
static long errors, requests, events_seen;
static char error_text[200];
static unsigned *latencies, *firsts;
static size_t latency_count, first_count;
static const size_t MOST = 20000000;
static long counted_from;
static int with_first;

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void fail(const char *text) {
  if (!errors++) snprintf(error_text, sizeof error_text, "%s", text);
  for (char *c = error_text; *c; c++)
    if (*c == '"' || *c == '\\' || (unsigned char)*c < 32) *c = '\'';
}

static void again(struct call *c) {
  int fd = c->fd;
  memset(c, 0, sizeof *c);
  c->fd = fd;
  c->begun = now();
}

static void dial(struct call *c) {
  if (c->fd > 0) close(c->fd);
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address)) {
    perror("connect");
    exit(1);
  }
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
  int fd = c->fd;
  memset(c, 0, sizeof *c);
  c->fd = fd;
  c->begun = now();
}

// 0: it goes on; -1: the connection is no good any more.
static int push(struct call *c) {
  while (c->sent < request_length) {
    ssize_t sent = send(c->fd, request + c->sent, request_length - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN ? 0 : -1;
    c->sent += sent;
  }
  return 0;
}

static void done(struct call *c) {
  long time = now();
  requests += time >= counted_from;
  if (time >= counted_from && latency_count < MOST) latencies[latency_count++] = (time - c->begun) / 1000;
  again(c);
}

// Bytes of the body. 1: the answer is whole.
static int take(struct call *c, const char *bytes, size_t length) {
  static const char MARK[] = "data: ";
  for (size_t i = 0; i < length; i++) {
    c->matched = bytes[i] == MARK[c->matched] ? c->matched + 1 : bytes[i] == MARK[0];
    if (c->matched < 6) continue;
    c->matched = 0;
    c->events++;
    long time = now();
    if (c->events == 1) {
      c->first = time;
      with_first++;
      if (time >= counted_from && first_count < MOST) firsts[first_count++] = (time - c->begun) / 1000;
    }
    events_seen += time >= counted_from;
  }
  if (!c->is_chunked) return (c->left -= length) <= 0;
  char last[16];
  size_t kept = length >= 7 ? 0 : 7 - length, fresh = length >= 7 ? 7 : length;
  memcpy(last, c->tail + 7 - kept, kept);
  memcpy(last + kept, bytes + length - fresh, fresh);
  memcpy(c->tail, last, 7);
  return memcmp(last, "\r\n0\r\n\r\n", 7) == 0;
}

static int pull(struct call *c) {
  static char buffer[ROOM];
  for (;;) {
    ssize_t got = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN ? 0 : -1;
    if (got == 0) return -1;
    char *bytes = buffer;
    size_t length = got;
    if (!c->has_head) {
      size_t room = sizeof c->head - 1 - c->head_length, copied = length < room ? length : room;
      memcpy(c->head + c->head_length, bytes, copied);
      c->head[c->head_length + copied] = 0;
      char *end = strstr(c->head, "\r\n\r\n");
      if (!end) {
        c->head_length += copied;
        if (copied == room) return -1;
        continue;
      }
      end += 4;
      size_t used = (end - c->head) - c->head_length;
      bytes += used;
      length -= used;
      c->has_head = 1;
      if (strncmp(c->head, "HTTP/1.1 200", 12)) {
        fail(c->head);
        return -1;
      }
      *end = 0;
      char *field = strcasestr(c->head, "content-length:");
      c->is_chunked = !field;
      c->left = field ? strtol(field + 15, NULL, 10) : 0;
      if (!length) continue;
    }
    if (take(c, bytes, length)) {
      done(c);
      if (push(c)) return -1;
    }
  }
}

static int by_size(const void *a, const void *b) {
  unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
  return x < y ? -1 : x > y;
}

static unsigned at(unsigned *list, size_t count, double part) {
  if (!count) return 0;
  qsort(list, count, sizeof *list, by_size);
  size_t place = count * part;
  return list[place < count ? place : count - 1];
}

int main(int count, char **arguments) {
  if (count < 6) return 2;
  char *colon = strrchr(arguments[1], ':');
  *colon = 0;
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
  inet_pton(AF_INET, arguments[1], &address.sin_addr);
  FILE *file = fopen(arguments[3], "r");
  static char body[1 << 20];
  size_t body_length = file ? fread(body, 1, sizeof body, file) : 0;
  int connections = atoi(arguments[4]), holds = 0;
  double seconds = atof(arguments[5]);
  request = malloc(sizeof body + 16384);
  request_length = sprintf(request, "POST %s HTTP/1.1\r\nhost: %s:%s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n", arguments[2],
                           arguments[1], colon + 1, body_length);
  for (int i = 6; i < count; i++) {
    if (!strcmp(arguments[i], "--hold")) holds = 1;
    else request_length += sprintf(request + request_length, "%s\r\n", arguments[i]);
  }
  request_length += sprintf(request + request_length, "\r\n");
  memcpy(request + request_length, body, body_length);
  request_length += body_length;
  latencies = malloc(MOST * sizeof *latencies);
  firsts = malloc(MOST * sizeof *firsts);
  poller = epoll_create1(0);
  struct call *calls = calloc(connections, sizeof *calls);
  long start = now(), until = start + (long)(seconds * 1e9);
  counted_from = start + (long)(seconds * 1e8);
  for (int i = 0; i < connections; i++) dial(&calls[i]);
  if (holds) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event);
  }
  struct epoll_event events[512];
  for (int told = 0; holds || now() < until;) {
    int ready = epoll_wait(poller, events, 512, 100);
    for (int i = 0; i < ready; i++) {
      struct call *c = events[i].data.ptr;
      if (!c) return 0;
      int failed = push(c) || (events[i].events & EPOLLIN && pull(c));
      if (failed || events[i].events & (EPOLLHUP | EPOLLERR)) {
        if (!errors) fail("the connection ended");
        else errors++;
        dial(c);
      }
    }
    if (holds && !told && with_first >= connections) {
      told = 1;
      printf("{\"open\": %d, \"errors\": %ld, \"ms\": %.0f}\n", with_first, errors, (now() - start) / 1e6);
      fflush(stdout);
    }
    if (holds && !told && now() > until) {
      printf("{\"open\": %d, \"errors\": %ld, \"ms\": %.0f}\n", with_first, errors, (now() - start) / 1e6);
      return 1;
    }
  }
  double took = (now() - counted_from) / 1e9;
  printf("{\"requests\": %ld, \"perSecond\": %.1f, \"p50us\": %u, \"p99us\": %u, \"firstP50us\": %u, \"firstP99us\": %u, \"events\": %ld, "
         "\"eventsPerSecond\": %.0f, \"errors\": %ld, \"error\": \"%s\"}\n",
         requests, requests / took, at(latencies, latency_count, 0.5), at(latencies, latency_count, 0.99), at(firsts, first_count, 0.5),
         at(firsts, first_count, 0.99), events_seen, events_seen / took, errors, error_text);
}
