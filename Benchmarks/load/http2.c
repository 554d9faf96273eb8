// HTTP/2 with many requests at once on one connection: as little of RFC 9113 as a load generator needs. Requests are sent
// without compression, and of answers only the status and the ends of streams are looked at.
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <stdatomic.h>

enum { kData, kHeaders, kPriority, kReset, kSettings, kPush, kPing, kGoAway, kWindow, kContinuation };
enum { kEndStream = 1, kAck = 1, kEndHeaders = 4 };
enum { kMostStreams = 256 };

static int put_text(unsigned char *out, const char *text, size_t length) {
  // A length of up to 254 bytes: one byte, or 127 and the rest.
  int at = 0;
  if (length < 127) out[at++] = (unsigned char)length;
  else {
    out[at++] = 127;
    size_t rest = length - 127;
    while (rest >= 128) out[at++] = (unsigned char)(rest % 128 + 128), rest /= 128;
    out[at++] = (unsigned char)rest;
  }
  memcpy(out + at, text, length);
  return at + (int)length;
}

// The HPACK block of the one request (RFC 7541): all literal, nothing indexed.
static int block_text(unsigned char *out) {
  int at = 0;
  out[at++] = 0x82;  // :method GET
  out[at++] = 0x87;  // :scheme https
  out[at++] = 0x04;  // :path
  at += put_text(out + at, options.path, strlen(options.path));
  out[at++] = 0x01;  // :authority
  const char *colon = strrchr(options.authority, ':');
  size_t host = strcmp(colon, ":443") ? strlen(options.authority) : (size_t)(colon - options.authority);
  at += put_text(out + at, options.authority, host);
  const char *separator = strstr(options.header, ": ");
  if (separator) {
    char name[64];
    size_t length = (size_t)(separator - options.header);
    if (length >= sizeof name) length = sizeof name - 1;
    for (size_t i = 0; i < length; i++)
      name[i] = options.header[i] >= 'A' && options.header[i] <= 'Z' ? options.header[i] + 32 : options.header[i];
    out[at++] = 0x00;
    at += put_text(out + at, name, length);
    at += put_text(out + at, separator + 2, strlen(separator + 2));
  }
  return at;
}

static int put_frame(unsigned char *out, int length, int type, int flags, uint32_t stream) {
  out[0] = (unsigned char)(length >> 16), out[1] = (unsigned char)(length >> 8), out[2] = (unsigned char)length;
  out[3] = (unsigned char)type, out[4] = (unsigned char)flags;
  uint32_t id = htonl(stream);
  memcpy(out + 5, &id, 4);
  return 9;
}

static int put_window(unsigned char *out, uint32_t stream, uint32_t count) {
  int at = put_frame(out, 4, kWindow, 0, stream);
  uint32_t value = htonl(count);
  memcpy(out + at, &value, 4);
  return at + 4;
}

// Whether the block of an answer says 200: the indexed field of it stands first, behind a change of the table at the most.
static int is_success(const unsigned char *block, int length) {
  for (int i = 0; i < length && i < 6; i++)
    if (block[i] == 0x88) return 1;
  return 0;
}

// Runs one connection until the time is over or it ends. Returns 0, or -1 with the error noted.
int http2(struct worker *worker, SSL *ssl, atomic_int *running) {
  static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  unsigned char block[2048], *in = malloc(kBuffer), *out = malloc(kBuffer);
  uint64_t started[kMostStreams] = {0};
  int blockLength = block_text(block), have = 0, at = 0, open = 0, result = 0;
  uint32_t next = 1, read = 0;
  memcpy(out, preface, sizeof preface - 1);
  at = sizeof preface - 1;
  at += put_frame(out + at, 0, kSettings, 0, 0);
  at += put_window(out + at, 0, 1 << 30);
  while (!result) {
    while (open < options.streams && atomic_load_explicit(running, memory_order_relaxed) && at < kBuffer - 4096) {
      at += put_frame(out + at, blockLength, kHeaders, kEndStream | kEndHeaders, next);
      memcpy(out + at, block, (size_t)blockLength);
      at += blockLength;
      started[next / 2 % kMostStreams] = now_us();
      next += 2;
      open++;
    }
    if (at && SSL_write(ssl, out, at) != at) result = fail(worker, "write");
    at = 0;
    if (result || (!open && !atomic_load_explicit(running, memory_order_relaxed))) break;
    int got = SSL_read(ssl, in + have, kBuffer - have);
    if (got <= 0) result = fail(worker, "read");
    have += got > 0 ? got : 0;
    int used = 0;
    while (!result && have - used >= 9) {
      unsigned char *frame = in + used;
      int length = frame[0] << 16 | frame[1] << 8 | frame[2], type = frame[3], flags = frame[4];
      uint32_t stream = ntohl(*(uint32_t *)(void *)(frame + 5)) & 0x7fffffff;
      if (length > 16384) result = fail(worker, "a frame is too large");
      if (result || have - used < 9 + length) break;
      used += 9 + length;
      if (type == kSettings && !(flags & kAck)) at += put_frame(out + at, 0, kSettings, kAck, 0);
      if (type == kPing && !(flags & kAck)) {
        at += put_frame(out + at, 8, kPing, kAck, 0);
        memcpy(out + at, frame + 9, 8);
        at += 8;
      }
      if (type == kGoAway || type == kReset) result = fail(worker, type == kReset ? "a stream was reset" : "the connection was ended");
      if (type == kHeaders && !is_success(frame + 9, length)) worker->errors++;
      if (type == kData) read += (uint32_t)length, worker->bytes += (uint64_t)length;
      if ((type == kData || type == kHeaders) && flags & kEndStream) {
        open--;
        worker->requests++;
        if (worker->count < kMostSamples)
          worker->samples[worker->count++] = (uint32_t)(now_us() - started[stream / 2 % kMostStreams]);
      }
    }
    memmove(in, in + used, (size_t)(have - used));
    have -= used;
    if (read > 1 << 20) at += put_window(out + at, 0, read), read = 0;
  }
  free(in);
  free(out);
  return result;
}
