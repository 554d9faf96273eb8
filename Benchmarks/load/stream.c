// Requests that are more than a small question: uploads, event streams, websockets.
#define _GNU_SOURCE
#include "load.h"

#include <unistd.h>

// A POST with a body of `options.upload` bytes. Returns the status, or -1 with the error noted.
int upload(struct worker *worker, SSL *ssl, char *buffer) {
  static char body[kBuffer];
  if (!body[0]) memset(body, 'x', sizeof body);
  char head[2048];
  int length = head_text("POST", options.upload, head, sizeof head);
  if (SSL_write(ssl, head, length) != length) return fail(worker, "write");
  for (long rest = options.upload; rest > 0;) {
    int now = rest < kBuffer ? (int)rest : kBuffer;
    if (SSL_write(ssl, body, now) != now) return fail(worker, "write of the body");
    rest -= now;
  }
  int status = answer(worker, ssl, buffer);
  worker->bytes += (uint64_t)options.upload;
  return status;
}

// One event stream to its end: each event counts as a request. Returns the status, or -1 with the error noted.
int events(struct worker *worker, SSL *ssl, const char *text, int length, char *buffer) {
  if (SSL_write(ssl, text, length) != length) return fail(worker, "write");
  int have = 0, status = 0, newline = 0;
  const char *tail = "\r\n0\r\n\r\n";
  char last[8] = "";
  for (;;) {
    int got = SSL_read(ssl, buffer + have, kBuffer - 1 - have);
    if (got <= 0) return fail(worker, "the stream broke off");
    have += got;
    buffer[have] = 0;
    char *start = buffer;
    if (!status) {
      char *end = strstr(buffer, "\r\n\r\n");
      if (!end) continue;
      status = atoi(buffer + 9);
      if (status != 200) return status;
      start = end + 4;
    }
    int count = (int)(buffer + have - start);
    for (int i = 0; i < count; i++) {
      if (start[i] == '\n' && newline) worker->requests++;
      newline = start[i] == '\n';
    }
    worker->bytes += (uint64_t)count;
    // The last seven bytes so far tell the end.
    for (int i = count < 7 ? 0 : count - 7; i < count; i++) {
      memmove(last, last + 1, 6);
      last[6] = start[i];
    }
    have = 0;
    if (!memcmp(last, tail, 7)) return status;
  }
}

int open_socket(struct worker *worker, SSL *ssl, char *buffer) {
  char text[2048];
  int length = request_text(text, sizeof text) - 2;
  length += snprintf(text + length, sizeof text - (size_t)length,
                     "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
                     "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  if (SSL_write(ssl, text, length) != length) return fail(worker, "write");
  int have = 0;
  while (have < 4 || memcmp(buffer + have - 4, "\r\n\r\n", 4)) {
    if (have >= kBuffer || SSL_read(ssl, buffer + have, 1) != 1) return fail(worker, "the answer to the upgrade");
    have++;
  }
  return atoi(buffer + 9);
}

// One frame to the echo and back. Returns 200, or -1 with the error noted.
int echo(struct worker *worker, SSL *ssl, char *buffer) {
  enum { kSize = 64 };
  unsigned char frame[6 + kSize] = {0x81, 0x80 | kSize, 1, 2, 3, 4};
  for (int i = 0; i < kSize; i++) frame[6 + i] = 'e' ^ frame[2 + i % 4];
  if (SSL_write(ssl, frame, sizeof frame) != sizeof frame) return fail(worker, "write of a frame");
  int want = 2 + kSize, have = 0;
  while (have < want) {
    int got = SSL_read(ssl, buffer + have, want - have);
    if (got <= 0) return fail(worker, "read of a frame");
    have += got;
  }
  worker->bytes += kSize;
  return 200;
}
