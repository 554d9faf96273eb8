// A tunnel through a forward proxy, and one request inside it.
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

void base64(const char *text, char *out, size_t room) {
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

int fail(struct worker *worker, const char *what) {
  worker->errors++;
  if (!worker->error[0]) snprintf(worker->error, sizeof worker->error, "%s: %s", what, strerror(errno));
  return -1;
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

static int host_length(void) { return (int)(strrchr(options.authority, ':') - options.authority); }

static int connect_socket(struct worker *worker) {
  struct sockaddr_in address;
  if (parse_endpoint(options.direct ? options.direct : options.proxy, &address)) return fail(worker, "address");
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) return fail(worker, "socket");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct timeval limit = {.tv_sec = 30};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(fd, (struct sockaddr *)&address, sizeof address)) return fail(worker, "connect"), close(fd), -1;
  return fd;
}

// Asks for the tunnel. The answer's head is read byte by byte, because what follows belongs to TLS.
static int connect_method(struct worker *worker, int fd, const char *authority) {
  char text[1024];
  int length = snprintf(text, sizeof text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", authority,
                        authority, options.auth[0] ? "Proxy-Authorization: Basic " : "", options.auth,
                        options.auth[0] ? "\r\n" : "");
  if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length) return fail(worker, "CONNECT");
  size_t have = 0;
  while (have < sizeof text - 1) {
    if (recv(fd, text + have, 1, 0) <= 0) return fail(worker, "the answer to CONNECT");
    have++;
    if (have >= 4 && !memcmp(text + have - 4, "\r\n\r\n", 4)) break;
  }
  text[have] = 0;
  if (!strncmp(text, "HTTP/1.", 7) && !strncmp(text + 8, " 200", 4)) return 0;
  worker->errors++;
  if (!worker->error[0]) snprintf(worker->error, sizeof worker->error, "CONNECT refused: %.100s", text);
  return -1;
}

SSL *open_tunnel(struct worker *worker) {
  int fd = connect_socket(worker);
  if (fd < 0) return NULL;
  char host[256], authority[300];
  snprintf(host, sizeof host, "%.*s", host_length(), options.authority);
  if (options.names) {
    static atomic_uint turn;
    snprintf(host, sizeof host, "n%u.%.*s", atomic_fetch_add(&turn, 1) % (unsigned)options.names, host_length(), options.authority);
  }
  snprintf(authority, sizeof authority, "%s%s", host, strrchr(options.authority, ':'));
  if (!options.direct && connect_method(worker, fd, authority)) return close(fd), NULL;
  SSL *ssl = SSL_new(options.tls);
  SSL_set_fd(ssl, fd);
  SSL_set_tlsext_host_name(ssl, host);
  SSL_set1_host(ssl, host);
  if (SSL_connect(ssl) == 1) return ssl;
  worker->errors++;
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  if (!worker->error[0]) snprintf(worker->error, sizeof worker->error, "TLS: %s", reason ? reason : strerror(errno));
  ERR_clear_error();
  SSL_free(ssl);
  close(fd);
  return NULL;
}

void close_tunnel(SSL *ssl) {
  int fd = SSL_get_fd(ssl);
  SSL_shutdown(ssl);
  SSL_free(ssl);
  ERR_clear_error();
  close(fd);
}

int head_text(const char *method, long body, char *out, size_t room) {
  char length[64] = "";
  if (body) snprintf(length, sizeof length, "Content-Length: %ld\r\n", body);
  return snprintf(out, room, "%s %s HTTP/1.1\r\nHost: %.*s\r\n%s%s%s\r\n", method, options.path, host_length(),
                  options.authority, length, options.header, options.header[0] ? "\r\n" : "");
}

int request_text(char *out, size_t room) { return head_text("GET", 0, out, room); }

int request(struct worker *worker, SSL *ssl, const char *text, int length, char *buffer) {
  if (SSL_write(ssl, text, length) != length) return fail(worker, "write");
  return answer(worker, ssl, buffer);
}

int answer(struct worker *worker, SSL *ssl, char *buffer) {
  int have = 0;
  char *end = NULL;
  while (!end) {
    if (have >= kBuffer - 1) return fail(worker, "the answer's head is too large");
    int got = SSL_read(ssl, buffer + have, kBuffer - 1 - have);
    if (got <= 0) return fail(worker, "read");
    have += got;
    buffer[have] = 0;
    end = strstr(buffer, "\r\n\r\n");
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
