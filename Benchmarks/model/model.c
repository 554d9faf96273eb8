// A provider of models that costs next to nothing: HTTP/1.1, chat completions, whole or as event streams.
//
// Usage: model ADDRESS:PORT THREADS
// The name of the model says what comes back: `stream-TOKENS-PAUSE` sends so many events, with so many milliseconds between two of them
// (0: as fast as they are taken), when the request wants a stream; everything else is answered at once. Each event is a write of its own,
// as tokens of a real model are.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 65536, ROOM = 1 << 18 };

struct connection {
  int fd;
  char *in;
  size_t length;
  long left;         // events that are still to be sent; -1: no stream
  long pause;        // nanoseconds
  long next;         // when the next one is due
  int is_blocked;    // the socket takes no more now
  int place;         // in the list of streams
  const char *out;   // the rest of a write that was cut short
  size_t out_length;
};

static struct sockaddr_in address;

static const char HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
static char event_text[1024], whole_text[2048];
static char end_text[1024];

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void make_texts(void) {
  char data[900];
  const char *frame = "\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":";
  snprintf(data, sizeof data, "data: {%s[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}]}\n\n", frame);
  snprintf(event_text, sizeof event_text, "%zx\r\n%s\r\n", strlen(data), data);
  snprintf(data, sizeof data,
           "data: {%s[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
           "data: {%s[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":100,\"total_tokens\":120}}\n\ndata: [DONE]\n\n", frame, frame);
  snprintf(end_text, sizeof end_text, "%zx\r\n%s\r\n0\r\n\r\n", strlen(data), data);
  snprintf(data, sizeof data,
           "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\","
           "\"message\":{\"role\":\"assistant\",\"content\":\"Hello from the model, which has nothing else to say.\"}}],"
           "\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":12,\"total_tokens\":32}}");
  snprintf(whole_text, sizeof whole_text, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", strlen(data), data);
}

// One per thread.
static __thread struct connection *streams[MOST];
static __thread int stream_count;

static void leave(struct connection *c) {
  if (c->left < 0) return;
  struct connection *last = streams[--stream_count];
  streams[c->place] = last;
  last->place = c->place;
  c->left = -1;
}

static void end(struct connection *c) {
  leave(c);
  close(c->fd);
  free(c->in);
  free(c);
}

// Whether all of it is on its way; what is not goes out when the socket takes more.
static int put(struct connection *c, const char *text, size_t length) {
  ssize_t sent = send(c->fd, text, length, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return -1;
  if (sent < 0) sent = 0;
  if ((size_t)sent < length) {
    c->out = text + sent;
    c->out_length = length - sent;
    c->is_blocked = 1;
  }
  return 0;
}

// Answers the requests that are whole. Whether the connection is still there.
static int answer(struct connection *c) {
  while (c->left < 0) {
    c->in[c->length] = 0;
    char *body = strstr(c->in, "\r\n\r\n");
    if (!body) return c->length < ROOM - 1;
    body += 4;
    char *field = strcasestr(c->in, "content-length:");
    size_t length = field && field < body ? strtoul(field + 15, NULL, 10) : 0;
    size_t size = (body - c->in) + length;
    if (size > c->length) return size < ROOM - 1;
    char kept = c->in[size];
    c->in[size] = 0;
    char *model = strstr(body, "stream-");
    int wants_stream = strstr(body, "\"stream\":true") || strstr(body, "\"stream\": true");
    long count = 0, pause = 0;
    if (model) sscanf(model, "stream-%ld-%ld", &count, &pause);
    c->in[size] = kept;
    memmove(c->in, c->in + size, c->length - size);
    c->length -= size;
    if (!wants_stream) {
      if (put(c, whole_text, strlen(whole_text))) return 0;
      continue;
    }
    if (put(c, HEAD, sizeof HEAD - 1)) return 0;
    c->left = count;
    c->pause = pause * 1000000L;
    c->next = now();
    c->place = stream_count;
    streams[stream_count++] = c;
  }
  return 1;
}

static int read_more(struct connection *c) {
  for (;;) {
    ssize_t got = recv(c->fd, c->in + c->length, ROOM - 1 - c->length, 0);
    if (got == 0) return 0;
    if (got < 0) return errno == EAGAIN;
    c->length += got;
    if (!answer(c)) return 0;
  }
}

static int write_more(struct connection *c) {
  c->is_blocked = 0;
  if (!c->out_length) return 1;
  const char *text = c->out;
  size_t length = c->out_length;
  c->out_length = 0;
  return put(c, text, length) == 0;
}

// One event of each stream that may send one. How long until the next is due, in milliseconds.
static int send_events(void) {
  long time = now(), wait = -1;
  for (int i = stream_count - 1; i >= 0; i--) {
    struct connection *c = streams[i];
    if (c->is_blocked) continue;
    if (c->next > time) {
      long left = (c->next - time) / 1000000 + 1;
      if (wait < 0 || left < wait) wait = left;
      continue;
    }
    wait = 0;
    int failed;
    if (c->left-- > 0) {
      failed = put(c, event_text, strlen(event_text));
      c->next += c->pause;
    } else {
      c->left = 0;
      leave(c);
      failed = put(c, end_text, strlen(end_text)) || !answer(c);
    }
    if (failed) end(c);
  }
  return (int)wait;
}

static void *serve(void *unused) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
    perror("listen");
    exit(1);
  }
  struct epoll_event added = {.events = EPOLLIN, .data.ptr = NULL}, events[512];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &added);
  for (int wait = -1;;) {
    int count = epoll_wait(poll, events, 512, wait);
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (!c) {
        int fd;
        while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          c = calloc(1, sizeof *c);
          *c = (struct connection){.fd = fd, .in = malloc(ROOM), .left = -1};
          added = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
          epoll_ctl(poll, EPOLL_CTL_ADD, fd, &added);
        }
        continue;
      }
      int is_there = !(events[i].events & (EPOLLHUP | EPOLLERR));
      if (is_there && events[i].events & EPOLLOUT) is_there = write_more(c);
      if (is_there && events[i].events & EPOLLIN) is_there = read_more(c);
      if (!is_there) end(c);
    }
    wait = send_events();
  }
  return unused;
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  signal(SIGPIPE, SIG_IGN);
  char *colon = strrchr(arguments[1], ':');
  *colon = 0;
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
  inet_pton(AF_INET, arguments[1], &address.sin_addr);
  make_texts();
  pthread_t thread;
  for (int i = 1; i < atoi(arguments[2]); i++) pthread_create(&thread, NULL, serve, NULL);
  serve(NULL);
}
