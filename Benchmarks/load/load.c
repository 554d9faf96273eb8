// A load generator for forward proxies: keep-alive HTTPS through CONNECT, or a new tunnel for each request.
//
// One blocking thread for each connection, so that it costs the machine as little as possible beside the proxy under test.
// It prints one JSON object.
//
//   load --proxy 10.77.0.1:3128 --authority api.test:443 --ca ca.pem --connections 64 --seconds 10
//        [--header 'Name: value'] [--path /] [--rate N] [--new-tunnels | --idle | --handshakes] [--names N]
//        [--upload BYTES | --events | --socket | --streams N (HTTP/2)]
//   load --direct 127.0.0.1:443 …     the upstream without a proxy
//
// LOAD_AUTH=user:password in the environment is the proxy's Basic credential: arguments can be read by everybody.
#define _GNU_SOURCE
#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

struct options options = {.header = "", .path = "/", .connections = 1, .seconds = 5};

static atomic_int running = 1;
static struct worker *workers;

// Sleeps until the connection's next turn. Turns of the connections are spread over one interval.
static void wait_turn(struct worker *worker, uint64_t *turn) {
  double interval = 1e6 * options.connections / options.rate;
  uint64_t now = now_us();
  if (!*turn) *turn = now + (uint64_t)(interval * (double)(worker - workers) / options.connections);
  else *turn += (uint64_t)interval;
  if (now < *turn) usleep((useconds_t)(*turn - now));
}

// Whether the connection has still to become a websocket; it is one then.
static int turn_is_first(struct worker *worker) { return worker->is_socket ? 0 : (worker->is_socket = 1); }

static void *work(void *argument) {
  struct worker *worker = argument;
  char *buffer = malloc(kBuffer), text[2048];
  int length = request_text(text, sizeof text);
  SSL *ssl = NULL;
  uint64_t turn = 0;
  if (options.streams) {
    while (atomic_load_explicit(&running, memory_order_relaxed) && worker->errors < kMostErrors)
      if ((ssl = open_tunnel(worker))) http2(worker, ssl, &running), close_tunnel(ssl);
    return NULL;
  }
  while (atomic_load_explicit(&running, memory_order_relaxed) && worker->errors < kMostErrors) {
    if (options.rate > 0) wait_turn(worker, &turn);
    uint64_t start = now_us();
    int status = 0;
    if (!ssl && !(ssl = open_tunnel(worker))) continue;
    else if (options.socket && turn_is_first(worker) && (status = open_socket(worker, ssl, buffer)) != 101) {}
    else if (options.socket) status = echo(worker, ssl, buffer);
    else if (options.upload) status = upload(worker, ssl, buffer);
    else if (options.events) status = events(worker, ssl, text, length, buffer);
    else if (options.handshakes) status = 200;
    else status = request(worker, ssl, text, length, buffer);
    if (status == 200) {
      if (!options.events) worker->requests++;
      if (worker->count < kMostSamples) worker->samples[worker->count++] = (uint32_t)(now_us() - start);
    } else if (status > 0) {
      worker->errors++;
      if (!worker->error[0]) snprintf(worker->error, sizeof worker->error, "status %d", status);
    }
    if (status != 200 || options.new_tunnels) {
      close_tunnel(ssl);
      worker->is_socket = 0;
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

void print_escaped(const char *text) {
  for (const char *c = text; *c; c++)
    if (*c >= ' ' && *c != '"' && *c != '\\') putchar(*c);
}

static int report(double seconds) {
  uint64_t requests = 0, errors = 0, bytes = 0;
  size_t samples = 0, at = 0;
  const char *error = "";
  for (int i = 0; i < options.connections; i++) {
    pthread_join(workers[i].thread, NULL);
    requests += workers[i].requests;
    errors += workers[i].errors;
    bytes += workers[i].bytes;
    samples += workers[i].count;
    if (workers[i].error[0]) error = workers[i].error;
  }
  uint32_t *all = malloc(sizeof *all * (samples + 1));
  for (int i = 0; i < options.connections; i++) {
    memcpy(all + at, workers[i].samples, workers[i].count * sizeof *all);
    at += workers[i].count;
  }
  qsort(all, samples, sizeof *all, compare);
  printf("{\"requests\":%lu,\"errors\":%lu,\"seconds\":%.3f,\"rps\":%.1f,\"p50_us\":%u,\"p99_us\":%u,\"bytes\":%lu,\"error\":\"",
         requests, errors, seconds, (double)requests / seconds, samples ? all[samples / 2] : 0,
         samples ? all[samples * 99 / 100] : 0, bytes);
  print_escaped(error);
  printf("\"}\n");
  return requests ? 0 : 1;
}

static int run(void) {
  workers = calloc((size_t)options.connections, sizeof *workers);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 << 10);
  uint64_t start = now_us();
  for (int i = 0; i < options.connections; i++) {
    workers[i].samples = malloc(sizeof(uint32_t) * kMostSamples);
    if (pthread_create(&workers[i].thread, &attributes, work, &workers[i])) return fprintf(stderr, "no thread\n"), 1;
  }
  sleep((unsigned)options.seconds);
  atomic_store(&running, 0);
  return report((double)(now_us() - start) / 1e6);
}

int main(int count, char **arguments) {
  static const struct option known[] = {
      {"proxy", 1, 0, 'p'},  {"direct", 1, 0, 'd'}, {"authority", 1, 0, 't'},   {"ca", 1, 0, 'c'},
      {"header", 1, 0, 'h'}, {"path", 1, 0, 'u'},   {"connections", 1, 0, 'n'}, {"seconds", 1, 0, 's'},
      {"rate", 1, 0, 'r'},   {"idle", 0, 0, 'i'},   {"new-tunnels", 0, 0, 'x'}, {"upload", 1, 0, 'b'},
      {"events", 0, 0, 'e'}, {"socket", 0, 0, 'w'}, {"streams", 1, 0, '2'},     {"names", 1, 0, 'm'},
      {"handshakes", 0, 0, 'k'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) switch (option) {
      case 'p': options.proxy = optarg; break;
      case 'd': options.direct = optarg; break;
      case 't': options.authority = optarg; break;
      case 'c': options.ca = optarg; break;
      case 'h': options.header = optarg; break;
      case 'u': options.path = optarg; break;
      case 'n': options.connections = atoi(optarg); break;
      case 's': options.seconds = atoi(optarg); break;
      case 'r': options.rate = atof(optarg); break;
      case 'x': options.new_tunnels = 1; break;
      case 'i': options.idle = 1; break;
      case 'b': options.upload = atol(optarg); break;
      case 'e': options.events = 1; break;
      case 'w': options.socket = 1; break;
      case 'm': options.names = atoi(optarg); break;
      case 'k': options.handshakes = options.new_tunnels = 1; break;
      case '2': options.streams = atoi(optarg); break;
      default: return 2;
    }
  if (!options.proxy == !options.direct || !options.authority || !strchr(options.authority, ':') ||
      options.connections < 1 || options.seconds < 1) {
    fprintf(stderr, "usage: load (--proxy|--direct) IP:PORT --authority HOST:PORT --ca FILE …\n");
    return 2;
  }
  const char *auth = getenv("LOAD_AUTH");
  if (auth) base64(auth, options.auth, sizeof options.auth);
  signal(SIGPIPE, SIG_IGN);
  options.tls = SSL_CTX_new(TLS_client_method());
  if (options.streams < 0 || options.streams > 128) return fprintf(stderr, "at most 128 streams\n"), 2;
  const unsigned char *protocols = (const unsigned char *)(options.streams ? "\x02h2" : "\x08http/1.1");
  SSL_CTX_set_alpn_protos(options.tls, protocols, options.streams ? 3 : 9);
  if (options.ca) {
    if (!SSL_CTX_load_verify_locations(options.tls, options.ca, NULL))
      return fprintf(stderr, "the CA file cannot be read\n"), 1;
    SSL_CTX_set_verify(options.tls, SSL_VERIFY_PEER, NULL);
  }
  return options.idle ? hold_idle() : run();
}
