// Shared by the parts of the load generator. One process, one setting, so the options are globals.
#pragma once
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kMostSamples = 1 << 20, kBuffer = 65536, kMostErrors = 1000 };

struct options {
  const char *proxy;      // IP:PORT of the proxy
  const char *direct;     // IP:PORT of the upstream itself: no proxy, no CONNECT
  const char *authority;  // HOST:PORT as CONNECT names it
  const char *ca, *header, *path;
  char auth[512];  // base64 of user:password, or empty
  int connections, seconds, new_tunnels, idle;
  double rate;  // requests per second over all connections; 0: as fast as possible
  SSL_CTX *tls;
};

extern struct options options;

struct worker {
  pthread_t thread;
  uint64_t requests, errors, bytes;
  uint32_t *samples;  // microseconds
  size_t count;
  char error[160];  // the first one
};

// CLOCK_MONOTONIC in microseconds: the same clock as Python's time.monotonic.
uint64_t now_us(void);
void base64(const char *text, char *out, size_t room);
// Notes an error of the worker, with errno; returns -1.
int fail(struct worker *worker, const char *what);
// Opens a tunnel with TLS inside; NULL with the error noted.
SSL *open_tunnel(struct worker *worker);
void close_tunnel(SSL *ssl);
// Writes the request text once, for every connection; returns its length.
int request_text(char *out, size_t room);
// One request and its answer, which must have a Content-Length. Returns the status, or -1 with the error noted.
int request(struct worker *worker, SSL *ssl, const char *text, int length, char *buffer);
void print_escaped(const char *text);
// Opens all connections, one request on each, and holds them until they are closed from the other side or the time is over.
int hold_idle(void);
