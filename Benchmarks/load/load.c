// A load generator for forward proxies: keep-alive HTTPS through CONNECT, or a new tunnel for each request.
//
// One blocking thread for each connection, so that it costs the machine as little as possible beside the proxy under test. It prints one JSON object.
//
//   load --proxy 10.77.0.1:3128 --auth user:password --authority api.test:443 --ca ca.pem --connections 64 --seconds 10
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { kMostSamples = 1 << 20, kBuffer = 65536 };

static const char *proxy_address, *authority, *ca_file, *header = "", *source_address, *path = "/";
static char auth_base64[512];
static int connections = 1, run_seconds = 5, new_tunnels, idle;
static double rate;  // requests per second and connection; 0: as fast as possible
static SSL_CTX *tls;
static atomic_int running = 1;

struct worker {
  pthread_t thread;
  uint64_t requests, errors, bytes;
  uint32_t *samples;  // microseconds
  size_t count;
  char error[160];
};

static uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void base64(const char *text, char *out, size_t room) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t length = strlen(text), at = 0;
  for (size_t i = 0; i < length && at + 5 < room; i += 3) {
    uint32_t group = (uint32_t)(unsigned char)text[i] << 16;
    if (i + 1 < length) group |= (uint32_t)(unsigned char)text[i + 1] << 8;
    if (i + 2 < length) group |= (unsigned char)text[i + 2];
    out[at++] = digits[group >> 18];
    out[at++] = digits[group >> 12 & 63];
    out[at++] = i + 1 < length ? digits[group >> 6 & 63] : '=';
    out[at++] = i + 2 < length ? digits[group & 63] : '=';
  }
  out[at] = 0;
}

static int parse_endpoint(const char *text, struct sockaddr_in *out) {
  char host[64];
  const char *colon = strrchr(text, ':');
  if (!colon || (size_t)(colon - text) >= sizeof host) return -1;
  memcpy(host, text, (size_t)(colon - text));
  host[colon - text] = 0;
  memset(out, 0, sizeof *out);
  out->sin_family = AF_INET;
  out->sin_port = htons((uint16_t)atoi(colon + 1));
  return inet_pton(AF_INET, host, &out->sin_addr) == 1 ? 0 : -1;
}

static int fail(struct worker *worker, const char *what) {
  worker->errors++;
  if (!worker->error[0]) snprintf(worker->error, sizeof worker->error, "%s: %s", what, strerror(errno));
  return -1;
}

// Opens a tunnel (or, without --proxy, a direct connection to --authority as an address) with TLS inside.
static SSL *open_tunnel(struct worker *worker) {
  struct sockaddr_in address, source;
  if (parse_endpoint(proxy_address, &address)) return fail(worker, "address"), NULL;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) return fail(worker, "socket"), NULL;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct timeval limit = {.tv_sec = 30};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (source_address) {
    memset(&source, 0, sizeof source);
    source.sin_family = AF_INET;
    inet_pton(AF_INET, source_address, &source.sin_addr);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&source, sizeof source)) return fail(worker, "bind"), close(fd), NULL;
  }
  if (connect(fd, (struct sockaddr *)&address, sizeof address)) return fail(worker, "connect"), close(fd), NULL;
  char text[1024];
  int length = snprintf(text, sizeof text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", authority, authority,
                        auth_base64[0] ? "Proxy-Authorization: Basic " : "", auth_base64, auth_base64[0] ? "\r\n" : "");
  if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length) return fail(worker, "CONNECT"), close(fd), NULL;
  size_t have = 0;
  while (have < sizeof text - 1) {
    ssize_t got = recv(fd, text + have, 1, 0);
    if (got <= 0) return fail(worker, "CONNECT answer"), close(fd), NULL;
    have++;
    if (have >= 4 && !memcmp(text + have - 4, "\r\n\r\n", 4)) break;
  }
  text[have] = 0;
  if (strncmp(text, "HTTP/1.", 7) || strncmp(text + 8, " 200", 4)) {
    worker->errors++;
    if (!worker->error[0]) snprintf(worker->error, sizeof worker->error, "CONNECT refused: %.100s", text);
    return close(fd), NULL;
  }
  SSL *ssl = SSL_new(tls);
  char host[256];
  snprintf(host, sizeof host, "%.*s", (int)(strrchr(authority, ':') - authority), authority);
  SSL_set_fd(ssl, fd);
  SSL_set_tlsext_host_name(ssl, host);
  SSL_set1_host(ssl, host);
  if (SSL_connect(ssl) != 1) {
    worker->errors++;
    if (!worker->error[0])
      snprintf(worker->error, sizeof worker->error, "TLS: %s", ERR_reason_error_string(ERR_peek_last_error()));
    SSL_free(ssl);
    return close(fd), NULL;
  }
  return ssl;
}

static void close_tunnel(SSL *ssl) {
  int fd = SSL_get_fd(ssl);
  SSL_shutdown(ssl);
  SSL_free(ssl);
  close(fd);
}

// One request and its answer; the answer must have a Content-Length. Returns the status, or -1.
static int request(struct worker *worker, SSL *ssl, const char *text, int length, char *buffer) {
  if (SSL_write(ssl, text, length) != length) return fail(worker, "write");
  int have = 0;
  char *end = NULL;
  while (!end) {
    int got = SSL_read(ssl, buffer + have, kBuffer - 1 - have);
    if (got <= 0) return fail(worker, "read");
    have += got;
    buffer[have] = 0;
    end = strstr(buffer, "\r\n\r\n");
    if (!end && have >= kBuffer - 1) return fail(worker, "head too large");
  }
  int status = atoi(buffer + 9);
  char *field = strcasestr(buffer, "\ncontent-length:");
  long body = field && field < end ? atol(field + 16) : 0;
  long rest = body - (have - (end + 4 - buffer));
  while (rest > 0) {
    int got = SSL_read(ssl, buffer, kBuffer);
    if (got <= 0) return fail(worker, "body");
    rest -= got;
  }
  worker->bytes += (uint64_t)body;
  return status;
}

static void *work(void *argument) {
  struct worker *worker = argument;
  char *buffer = malloc(kBuffer), text[2048], host[256];
  snprintf(host, sizeof host, "%.*s", (int)(strrchr(authority, ':') - authority), authority);
  int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", path, host, header, header[0] ? "\r\n" : "");
  SSL *ssl = NULL;
  uint64_t next = now_us();
  while (atomic_load_explicit(&running, memory_order_relaxed)) {
    if (rate > 0) {
      next += (uint64_t)(1e6 / rate);
      uint64_t now = now_us();
      if (now < next) usleep((useconds_t)(next - now));
    }
    uint64_t start = now_us();
    if (!ssl && !(ssl = open_tunnel(worker))) {
      if (worker->errors > 1000) break;
      continue;
    }
    if (idle) {
      pause();
      break;
    }
    int status = request(worker, ssl, text, length, buffer);
    if (status == 200) {
      worker->requests++;
      if (worker->count < kMostSamples) worker->samples[worker->count++] = (uint32_t)(now_us() - start);
    } else {
      if (status > 0) worker->errors++;
      if (status > 0 && !worker->error[0]) snprintf(worker->error, sizeof worker->error, "status %d", status);
      if (worker->errors > 1000) break;
    }
    if (status != 200 || new_tunnels) {
      close_tunnel(ssl);
      ssl = NULL;
    }
  }
  if (ssl) close_tunnel(ssl);
  free(buffer);
  return NULL;
}

static int compare(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return a < b ? -1 : a > b;
}

int main(int count, char **arguments) {
  static const struct option options[] = {
      {"proxy", 1, 0, 'p'},      {"auth", 1, 0, 'a'},    {"authority", 1, 0, 't'}, {"ca", 1, 0, 'c'},
      {"connections", 1, 0, 'n'}, {"seconds", 1, 0, 's'}, {"header", 1, 0, 'h'},    {"source", 1, 0, 'b'},
      {"rate", 1, 0, 'r'},       {"new-tunnels", 0, 0, 'x'}, {"idle", 0, 0, 'i'}, {"path", 1, 0, 'u'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) switch (option) {
      case 'p': proxy_address = optarg; break;
      case 'a': base64(optarg, auth_base64, sizeof auth_base64); break;
      case 't': authority = optarg; break;
      case 'c': ca_file = optarg; break;
      case 'n': connections = atoi(optarg); break;
      case 's': run_seconds = atoi(optarg); break;
      case 'h': header = optarg; break;
      case 'b': source_address = optarg; break;
      case 'r': rate = atof(optarg); break;
      case 'x': new_tunnels = 1; break;
      case 'i': idle = 1; break;
      case 'u': path = optarg; break;
      default: return 2;
    }
  if (!proxy_address || !authority || !strchr(authority, ':') || connections < 1) {
    fprintf(stderr, "usage: load --proxy IP:PORT --authority HOST:PORT [--ca FILE] [--auth USER:PASSWORD] …\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  tls = SSL_CTX_new(TLS_client_method());
  if (ca_file) {
    if (!SSL_CTX_load_verify_locations(tls, ca_file, NULL)) return fprintf(stderr, "the CA file cannot be read\n"), 1;
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
  }
  struct worker *workers = calloc((size_t)connections, sizeof *workers);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 << 10);
  uint64_t start = now_us();
  for (int i = 0; i < connections; i++) {
    workers[i].samples = malloc(sizeof(uint32_t) * (idle ? 1 : kMostSamples));
    if (pthread_create(&workers[i].thread, &attributes, work, &workers[i])) return fprintf(stderr, "no thread\n"), 1;
  }
  sleep((unsigned)run_seconds);
  atomic_store(&running, 0);
  double took = (double)(now_us() - start) / 1e6;
  if (idle) _exit(0);
  uint64_t requests = 0, errors = 0, bytes = 0;
  size_t samples = 0;
  const char *error = "";
  for (int i = 0; i < connections; i++) {
    pthread_join(workers[i].thread, NULL);
    requests += workers[i].requests;
    errors += workers[i].errors;
    bytes += workers[i].bytes;
    samples += workers[i].count;
    if (workers[i].error[0]) error = workers[i].error;
  }
  uint32_t *all = malloc(sizeof *all * (samples + 1));
  size_t at = 0;
  for (int i = 0; i < connections; i++) {
    memcpy(all + at, workers[i].samples, workers[i].count * sizeof *all);
    at += workers[i].count;
  }
  qsort(all, samples, sizeof *all, compare);
  printf("{\"requests\":%lu,\"errors\":%lu,\"seconds\":%.3f,\"rps\":%.1f,\"p50_us\":%u,\"p99_us\":%u,\"bytes\":%lu,\"error\":\"",
         requests, errors, took, (double)requests / took, samples ? all[samples / 2] : 0,
         samples ? all[samples * 99 / 100] : 0, bytes);
  for (const char *c = error; *c; c++)
    if (*c >= ' ' && *c != '"' && *c != '\\') putchar(*c);
  printf("\"}\n");
  return requests ? 0 : 1;
}
