#ifndef CLINUX_NET_H
#define CLINUX_NET_H

// What the network part needs from the kernel: namespaces (which belong to a thread, so Swift cannot enter one by itself),
// sockets, and the numbers of the netlink protocols. The numbers are kernel ABI and never change; net_abi.c checks each of
// them against the kernel's own headers when it is compiled, so that no kernel header has to be visible to Swift.

#include <stddef.h>
#include <stdint.h>

/// Creates a network namespace with IPv6 disabled and binds it to the new file `path`, where it lives without any process.
/// Blocks for about three milliseconds. The calling thread stays in its own namespace.
/// Returns 0, or a negative errno (EEXIST when the file is there already); on failure nothing is left behind.
int clnet_namespace_create(const char *path);

/// Opens a netlink socket of `protocol` inside the namespace at `path`, or in the caller's own when `path` is NULL.
/// The socket is close-on-exec, gives up after five seconds, and reports the kernel's own error sentences.
/// Returns a descriptor, or a negative errno.
int clnet_socket(const char *path, int protocol);

/// Unmounts and deletes the namespace file. The kernel frees the namespace when its last process has gone.
/// Returns 0 (also when there is nothing), or a negative errno.
int clnet_namespace_remove(const char *path);

/// Returns 1 when `path` is a bound namespace, 0 when it is something else or nothing, or a negative errno.
int clnet_namespace_exists(const char *path);

/// Sends the whole buffer to the kernel as one datagram. Returns 0, or a negative errno.
int clnet_send(int descriptor, const uint8_t *bytes, size_t count);

/// Receives one datagram from the kernel (from nobody else) into the buffer.
/// Returns its length, or a negative errno (ENOBUFS when it was longer than the buffer).
long clnet_receive(int descriptor, uint8_t *bytes, size_t capacity);

/// Writes a short text to a file (a sysctl), without creating it. Returns 0, or a negative errno.
int clnet_write(const char *path, const char *text);

// Protocols.
enum { CLNET_ROUTE = 0, CLNET_SOCK_DIAG = 4, CLNET_NETFILTER = 12 };

// Messages.
enum {
  CLNET_NLMSG_ERROR = 2,
  CLNET_NLMSG_DONE = 3,
  CLNET_RTM_NEWLINK = 16,
  CLNET_RTM_DELLINK = 17,
  CLNET_RTM_GETLINK = 18,
  CLNET_RTM_NEWADDR = 20,
  CLNET_RTM_DELADDR = 21,
  CLNET_RTM_GETADDR = 22,
  CLNET_RTM_NEWROUTE = 24,
  CLNET_RTM_DELROUTE = 25,
  CLNET_RTM_GETROUTE = 26,
  CLNET_RTM_NEWNEIGH = 28,
  CLNET_RTM_DELNEIGH = 29,
  CLNET_RTM_GETNEIGH = 30,
  CLNET_RTM_NEWRULE = 32,
  CLNET_RTM_DELRULE = 33,
  CLNET_RTM_GETRULE = 34,
  CLNET_SOCK_DIAG_BY_FAMILY = 20,
  CLNET_SOCK_DESTROY = 21,
  CLNET_NFT_SUBSYSTEM = 10,
  CLNET_NFT_GETTABLE = 1,
  CLNET_NFT_DELTABLE = 2,
  CLNET_NFT_GETCHAIN = 4,
  CLNET_NFT_GETRULE = 7,
  CLNET_NFT_GETSET = 10,
  CLNET_NFT_NEWSETELEM = 12,
  CLNET_NFT_GETSETELEM = 13,
  CLNET_NFT_DELSETELEM = 14,
  CLNET_NFT_GETGEN = 16,
  CLNET_NFT_GETOBJ = 19,
  CLNET_NFNL_BATCH_BEGIN = 16,
  CLNET_NFNL_BATCH_END = 17,
};

// Flags of a message.
enum {
  CLNET_F_REQUEST = 0x1,
  CLNET_F_MULTI = 0x2,
  CLNET_F_ACK = 0x4,
  CLNET_F_DUMP_INTR = 0x10,
  CLNET_F_CAPPED = 0x100,
  CLNET_F_ACK_TLVS = 0x200,
  CLNET_F_REPLACE = 0x100,
  CLNET_F_EXCL = 0x200,
  CLNET_F_CREATE = 0x400,
  CLNET_F_DUMP = 0x300,
  CLNET_NLMSGERR_ATTR_MSG = 1,
};

// Links.
enum {
  CLNET_IFF_UP = 0x1,
  CLNET_IFF_NOARP = 0x80,
  CLNET_IFLA_ADDRESS = 1,
  CLNET_IFLA_IFNAME = 3,
  CLNET_IFLA_MTU = 4,
  CLNET_IFLA_LINK = 5,
  CLNET_IFLA_MASTER = 10,
  CLNET_IFLA_PROTINFO = 12,
  CLNET_IFLA_LINKINFO = 18,
  CLNET_IFLA_IFALIAS = 20,
  CLNET_IFLA_GROUP = 27,
  CLNET_IFLA_NET_NS_FD = 28,
  CLNET_IFLA_LINK_NETNSID = 37,
  CLNET_IFLA_INFO_KIND = 1,
  CLNET_IFLA_INFO_DATA = 2,
  CLNET_IFLA_INFO_SLAVE_KIND = 4,
  CLNET_IFLA_INFO_SLAVE_DATA = 5,
  CLNET_VETH_INFO_PEER = 1,
  CLNET_IFLA_BR_FORWARD_DELAY = 1,
  CLNET_IFLA_BR_STP_STATE = 5,
  CLNET_IFLA_BR_MCAST_SNOOPING = 23,
  CLNET_IFLA_BRPORT_STATE = 1,
  CLNET_IFLA_BRPORT_MODE = 4,
  CLNET_IFLA_BRPORT_GUARD = 5,
  CLNET_IFLA_BRPORT_LEARNING = 8,
  CLNET_IFLA_BRPORT_UNICAST_FLOOD = 9,
  CLNET_IFLA_BRPORT_PROXYARP = 10,
  CLNET_IFLA_BRPORT_MCAST_FLOOD = 27,
  CLNET_IFLA_BRPORT_BCAST_FLOOD = 30,
  CLNET_IFLA_BRPORT_ISOLATED = 33,
};

// Addresses, routes, neighbours, routing rules.
enum {
  CLNET_IFA_ADDRESS = 1,
  CLNET_IFA_LOCAL = 2,
  CLNET_RTA_DST = 1,
  CLNET_RTA_OIF = 4,
  CLNET_RTA_GATEWAY = 5,
  CLNET_RTA_PREFSRC = 7,
  CLNET_RTA_TABLE = 15,
  CLNET_RT_TABLE_MAIN = 254,
  CLNET_RT_SCOPE_UNIVERSE = 0,
  CLNET_RT_SCOPE_LINK = 253,
  CLNET_RTN_UNICAST = 1,
  CLNET_RTN_PROHIBIT = 8,
  CLNET_RTPROT_STATIC = 4,
  CLNET_NDA_DST = 1,
  CLNET_NDA_LLADDR = 2,
  CLNET_NDA_MASTER = 9,
  CLNET_NUD_NOARP = 0x40,
  CLNET_NUD_PERMANENT = 0x80,
  CLNET_NTF_MASTER = 0x4,
  CLNET_FRA_DST = 1,
  CLNET_FRA_IIFNAME = 3,
  CLNET_FRA_PRIORITY = 6,
  CLNET_FRA_TABLE = 15,
  CLNET_FR_ACT_TO_TBL = 1,
  CLNET_FR_ACT_BLACKHOLE = 6,
};

// nftables.
enum {
  CLNET_NFPROTO_INET = 1,
  CLNET_NFPROTO_BRIDGE = 7,
  CLNET_NFTA_TABLE_NAME = 1,
  CLNET_NFTA_TABLE_FLAGS = 2,
  CLNET_NFTA_CHAIN_TABLE = 1,
  CLNET_NFTA_CHAIN_NAME = 3,
  CLNET_NFTA_CHAIN_HOOK = 4,
  CLNET_NFTA_CHAIN_POLICY = 5,
  CLNET_NFTA_CHAIN_TYPE = 7,
  CLNET_NFTA_CHAIN_FLAGS = 10,
  CLNET_NFTA_RULE_TABLE = 1,
  CLNET_NFTA_RULE_CHAIN = 2,
  CLNET_NFTA_RULE_EXPRESSIONS = 4,
  CLNET_NFTA_SET_TABLE = 1,
  CLNET_NFTA_SET_NAME = 2,
  CLNET_NFTA_SET_FLAGS = 3,
  CLNET_NFTA_SET_KEY_TYPE = 4,
  CLNET_NFTA_SET_KEY_LEN = 5,
  CLNET_NFTA_SET_ELEM_LIST_TABLE = 1,
  CLNET_NFTA_SET_ELEM_LIST_SET = 2,
  CLNET_NFTA_SET_ELEM_LIST_ELEMENTS = 3,
  CLNET_NFTA_LIST_ELEM = 1,
  CLNET_NFTA_SET_ELEM_KEY = 1,
  CLNET_NFTA_DATA_VALUE = 1,
  CLNET_NFTA_OBJ_TABLE = 1,
  CLNET_NFTA_OBJ_NAME = 2,
  CLNET_NFTA_OBJ_TYPE = 3,
  CLNET_NFTA_OBJ_DATA = 4,
  CLNET_NFTA_OBJ_HANDLE = 6,
  CLNET_NFT_OBJECT_COUNTER = 1,
  CLNET_NFTA_COUNTER_BYTES = 1,
  CLNET_NFTA_COUNTER_PACKETS = 2,
  CLNET_NFTA_GEN_ID = 1,
};

// Sockets.
enum {
  CLNET_TCP_LISTEN = 10,
  CLNET_TCP_CLOSE = 7,
  CLNET_INET_DIAG_REQ_BYTECODE = 1,
};

#endif
