// Shared by the parts of the load generator. One process, one setting, so the options are globals.
#pragma once
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
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
  int connections, seconds, new_tunnels, idle, events, socket, handshakes;
  int names;    // so many names, n0.HOST, n1.HOST …, one after the other
  int streams;  // HTTP/2 with so many requests at once on a connection; 0: HTTP/1.1
  long upload;  // bytes of the body that each request sends; 0: none
  double rate;  // requests per second over all connections; 0: as fast as possible
  SSL_CTX *tls;
};

extern struct options options;

struct worker {
  pthread_t thread;
  uint64_t requests, errors, bytes;
  uint32_t *samples;  // microseconds
  size_t count;
  int is_socket;
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
// The head of any request; `body`: bytes that follow it.
int head_text(const char *method, long body, char *out, size_t room);
// One request and its answer, which must have a Content-Length. Returns the status, or -1 with the error noted.
int request(struct worker *worker, SSL *ssl, const char *text, int length, char *buffer);
int answer(struct worker *worker, SSL *ssl, char *buffer);
int upload(struct worker *worker, SSL *ssl, char *buffer);
int events(struct worker *worker, SSL *ssl, const char *text, int length, char *buffer);
int open_socket(struct worker *worker, SSL *ssl, char *buffer);
int echo(struct worker *worker, SSL *ssl, char *buffer);
// Requests over HTTP/2 until `running` is 0.
int http2(struct worker *worker, SSL *ssl, atomic_int *running);
void print_escaped(const char *text);
// Opens all connections, one request on each, and holds them until they are closed from the other side or the time is over.
int hold_idle(void);
