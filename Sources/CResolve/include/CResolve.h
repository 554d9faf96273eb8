#ifndef PALANA_CRESOLVE_H
#define PALANA_CRESOLVE_H

#include <stddef.h>
#include <stdint.h>

/// One recursive resolver. `family` is 4 or 6; `bytes` is the address in network order (four or sixteen bytes of it).
typedef struct {
  uint8_t family;
  uint16_t port;
  uint8_t bytes[16];
} palana_dns_server;

/// One address of an answer, in network order, four or sixteen bytes as asked for.
typedef struct {
  uint8_t bytes[16];
} palana_dns_address;

/// What came back.
typedef struct {
  /// How many addresses were written.
  size_t count;
  /// The smallest time to live, in seconds, of the records that led to the addresses.
  uint32_t ttl;
} palana_dns_reply;

enum {
  /// The question was answered; there may be no address of this family.
  PALANA_DNS_ANSWERED = 0,
  /// The name does not exist.
  PALANA_DNS_NO_NAME = 1,
  /// No server gave a usable answer in time.
  PALANA_DNS_FAILED = 2,
};

/// Asks for the A (`family` 4) or AAAA (`family` 6) records of `name`, without a search list. Blocks for at most about
/// `timeout_seconds * attempts` per server.
///
/// With no servers, those of the system's resolv.conf are asked. At most three servers are used. Only addresses that are
/// reached from `name` itself, through the answer's own aliases, are returned.
int palana_dns_query(
  const palana_dns_server *servers, size_t server_count, const char *name, int family, int timeout_seconds,
  int attempts, palana_dns_address *addresses, size_t capacity, palana_dns_reply *reply);

#endif
