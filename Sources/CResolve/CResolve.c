// Name resolution through libresolv: one question, one answer, no search list, no hosts file, no name service switch.

#include "CResolve.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// An alias chain longer than this is an attack or a mistake.
#define MAX_ALIASES 16
#define ANSWER_BYTES 65535

// Puts our own servers in place of those of resolv.conf. IPv6 ones live in glibc's extension of the state; `res_nclose`
// frees what is allocated here.
static int use_servers(res_state state, const palana_dns_server *servers, size_t count) {
  if (count > MAXNS) count = MAXNS;
  for (size_t i = 0; i < count; i++) {
    memset(&state->nsaddr_list[i], 0, sizeof state->nsaddr_list[i]);
    if (servers[i].family == 4) {
      state->nsaddr_list[i].sin_family = AF_INET;
      state->nsaddr_list[i].sin_port = htons(servers[i].port);
      memcpy(&state->nsaddr_list[i].sin_addr, servers[i].bytes, 4);
      continue;
    }
    struct sockaddr_in6 *address = state->_u._ext.nsaddrs[i];
    if (address == NULL) address = malloc(sizeof *address);
    if (address == NULL) return -1;
    memset(address, 0, sizeof *address);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(servers[i].port);
    memcpy(&address->sin6_addr, servers[i].bytes, 16);
    state->_u._ext.nsaddrs[i] = address;
  }
  state->nscount = (int)count;
  // Zero makes the library take the list above as new.
  state->_u._ext.nscount = 0;
  return 0;
}

// Walks the answer section along its aliases, starting at the question's name.
static int read_answer(
  const u_char *message, int length, const char *name, int type, palana_dns_address *addresses, size_t capacity,
  palana_dns_reply *reply) {
  ns_msg parsed;
  if (ns_initparse(message, length, &parsed) != 0) return PALANA_DNS_FAILED;
  int records = ns_msg_count(parsed, ns_s_an);
  size_t width = type == ns_t_a ? 4 : 16;
  char current[NS_MAXDNAME];
  if (strlen(name) >= sizeof current) return PALANA_DNS_FAILED;
  strcpy(current, name);
  uint32_t ttl = UINT32_MAX;
  for (int step = 0; step < MAX_ALIASES; step++) {
    int followed = 0;
    for (int i = 0; i < records; i++) {
      ns_rr record;
      if (ns_parserr(&parsed, ns_s_an, i, &record) != 0) return PALANA_DNS_FAILED;
      if (ns_rr_class(record) != ns_c_in || strcasecmp(ns_rr_name(record), current) != 0) continue;
      if ((int)ns_rr_type(record) == type && ns_rr_rdlen(record) == width) {
        if (reply->count >= capacity) continue;
        memset(&addresses[reply->count], 0, sizeof addresses[reply->count]);
        memcpy(addresses[reply->count].bytes, ns_rr_rdata(record), width);
        reply->count++;
        if (ns_rr_ttl(record) < ttl) ttl = ns_rr_ttl(record);
      } else if (ns_rr_type(record) == ns_t_cname && !followed && reply->count == 0) {
        char target[NS_MAXDNAME];
        if (ns_name_uncompress(
              ns_msg_base(parsed), ns_msg_end(parsed), ns_rr_rdata(record), target, sizeof target) < 0)
          return PALANA_DNS_FAILED;
        if (ns_rr_ttl(record) < ttl) ttl = ns_rr_ttl(record);
        strcpy(current, target);
        followed = 1;
        break;
      }
    }
    if (!followed) break;
  }
  reply->ttl = ttl == UINT32_MAX ? 0 : ttl;
  return PALANA_DNS_ANSWERED;
}

int palana_dns_query(
  const palana_dns_server *servers, size_t server_count, const char *name, int family, int timeout_seconds,
  int attempts, palana_dns_address *addresses, size_t capacity, palana_dns_reply *reply) {
  reply->count = 0;
  reply->ttl = 0;
  struct __res_state state;
  memset(&state, 0, sizeof state);
  if (res_ninit(&state) != 0) return PALANA_DNS_FAILED;
  int result = PALANA_DNS_FAILED;
  u_char *answer = malloc(ANSWER_BYTES);
  if (answer == NULL) goto done;
  if (server_count > 0 && use_servers(&state, servers, server_count) != 0) goto done;
  state.retrans = timeout_seconds;
  state.retry = attempts;
  state.options &= ~(u_long)(RES_DNSRCH | RES_DEFNAMES);
  int type = family == 4 ? ns_t_a : ns_t_aaaa;
  int length = res_nquery(&state, name, ns_c_in, type, answer, ANSWER_BYTES);
  if (length < 0) {
    if (state.res_h_errno == HOST_NOT_FOUND) result = PALANA_DNS_NO_NAME;
    else if (state.res_h_errno == NO_DATA) result = PALANA_DNS_ANSWERED;
    goto done;
  }
  if (length > ANSWER_BYTES) goto done;
  result = read_answer(answer, length, name, type, addresses, capacity, reply);
done:
  free(answer);
  res_nclose(&state);
  return result;
}
