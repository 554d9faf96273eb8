// The upstream of the streaming benchmarks: HTTPS over HTTP/1.1, one blocking thread for each connection.
//
//   serve ADDRESS:PORT CERTIFICATE KEY
//
//   GET /bytes/N     a body of N bytes            POST anything    reads the body, answers with a small one
//   GET /events/N    N server-sent events, each written by itself   GET /socket      a websocket that echoes
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kBuffer = 65536 };

static SSL_CTX *tls;

// One connection with what was read beyond the last message.
struct peer {
  SSL *ssl;
  char buffer[kBuffer];
  int have;
};

static int send_all(struct peer *peer, const void *bytes, int count) {
  return count == 0 || SSL_write(peer->ssl, bytes, count) == count;
}

static int more(struct peer *peer) {
  if (peer->have >= kBuffer - 1) return 0;
  int got = SSL_read(peer->ssl, peer->buffer + peer->have, kBuffer - 1 - peer->have);
  if (got <= 0) return 0;
  peer->have += got;
  peer->buffer[peer->have] = 0;
  return 1;
}

static void drop(struct peer *peer, int count) {
  memmove(peer->buffer, peer->buffer + count, (size_t)(peer->have - count));
  peer->have -= count;
  peer->buffer[peer->have] = 0;
}

// Reads away `count` bytes of a body.
static int skip(struct peer *peer, long count) {
  while (count > 0) {
    if (peer->have == 0 && !more(peer)) return 0;
    int now = count < peer->have ? (int)count : peer->have;
    drop(peer, now);
    count -= now;
  }
  return 1;
}

static int serve_bytes(struct peer *peer, long count) {
  static char body[kBuffer];
  char head[128];
  int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-length: %ld\r\n\r\n", count);
  if (!body[0]) memset(body, 'x', sizeof body);
  if (!send_all(peer, head, length)) return 0;
  while (count > 0) {
    int now = count < kBuffer ? (int)count : kBuffer;
    if (!send_all(peer, body, now)) return 0;
    count -= now;
  }
  return 1;
}

static int serve_events(struct peer *peer, long count) {
  static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
  static const char data[] = "data: {\"delta\": \"a piece of an answer, as models send them\"}\n\n";
  char chunk[128];
  int length = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", (int)sizeof data - 1, data);
  if (!send_all(peer, head, sizeof head - 1)) return 0;
  for (long i = 0; i < count; i++)
    if (!send_all(peer, chunk, length)) return 0;
  return send_all(peer, "0\r\n\r\n", 5);
}

static int accept_socket(struct peer *peer, const char *head) {
  const char *key = strcasestr(head, "\nsec-websocket-key:");
  if (!key) return 0;
  char text[128], answer[256];
  unsigned char digest[20], encoded[64];
  key += 19;
  key += strspn(key, " ");
  snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)strcspn(key, "\r"), key);
  SHA1((unsigned char *)text, strlen(text), digest);
  EVP_EncodeBlock(encoded, digest, sizeof digest);
  int length = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                        "sec-websocket-accept: %s\r\n\r\n", encoded);
  return send_all(peer, answer, length);
}

// Small frames only: what the load generator sends.
static void echo_frames(struct peer *peer) {
  for (;;) {
    while (peer->have < 6)
      if (!more(peer)) return;
    unsigned char *frame = (unsigned char *)peer->buffer;
    int size = frame[1] & 127;
    if (size > 125 || !(frame[1] & 128)) return;
    while (peer->have < size + 6)
      if (!more(peer)) return;
    unsigned char out[128] = {frame[0], (unsigned char)size};
    for (int i = 0; i < size; i++) out[2 + i] = frame[6 + i] ^ frame[2 + i % 4];
    drop(peer, size + 6);
    if (!send_all(peer, out, size + 2)) return;
  }
}

static int answer(struct peer *peer) {
  char *end;
  while (!(end = strstr(peer->buffer, "\r\n\r\n")))
    if (!more(peer)) return 0;
  int length = (int)(end + 4 - peer->buffer);
  char head[4096];
  if (length >= (int)sizeof head) return 0;
  memcpy(head, peer->buffer, (size_t)length);
  head[length] = 0;
  drop(peer, length);
  if (!strncmp(head, "GET /bytes/", 11)) return serve_bytes(peer, atol(head + 11));
  if (!strncmp(head, "GET /events/", 12)) return serve_events(peer, atol(head + 12));
  if (!strncmp(head, "GET /socket", 11)) {
    if (accept_socket(peer, head)) echo_frames(peer);
    return 0;
  }
  const char *field = strcasestr(head, "\ncontent-length:");
  if (field && !skip(peer, atol(field + 16))) return 0;
  static const char small[] = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
  return send_all(peer, small, sizeof small - 1);
}

static void *serve(void *argument) {
  int fd = (int)(long)argument;
  struct peer *peer = calloc(1, sizeof *peer);
  peer->ssl = SSL_new(tls);
  SSL_set_fd(peer->ssl, fd);
  if (SSL_accept(peer->ssl) == 1)
    while (answer(peer)) {}
  SSL_free(peer->ssl);
  close(fd);
  free(peer);
  return NULL;
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *length, const unsigned char *in, unsigned count, void *none) {
  (void)ssl, (void)none;
  static const unsigned char known[] = "\x08http/1.1";
  return SSL_select_next_proto((unsigned char **)out, length, known, sizeof known - 1, in, count) == OPENSSL_NPN_NEGOTIATED
             ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

int main(int count, char **arguments) {
  char *colon = count == 4 ? strrchr(arguments[1], ':') : NULL;
  if (!colon) return fprintf(stderr, "usage: serve ADDRESS:PORT CERTIFICATE KEY\n"), 2;
  signal(SIGPIPE, SIG_IGN);
  tls = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_alpn_select_cb(tls, choose, NULL);
  if (SSL_CTX_use_certificate_chain_file(tls, arguments[2]) != 1 ||
      SSL_CTX_use_PrivateKey_file(tls, arguments[3], SSL_FILETYPE_PEM) != 1)
    return fprintf(stderr, "the certificate or the key cannot be read\n"), 1;
  *colon = 0;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (inet_pton(AF_INET, arguments[1], &address.sin_addr) != 1 ||
      bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
    return perror("serve"), 1;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 256 << 10);
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) continue;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, serve, (void *)(long)fd)) close(fd);
  }
}
