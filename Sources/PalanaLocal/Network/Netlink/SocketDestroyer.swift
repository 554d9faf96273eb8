import CLinux
import Glibc

/// Ends TCP connections from outside, as `ss -K` does: the owner gets an error at once, and the other side a reset.
enum SocketDestroyer {
  /// Ends every connection of this namespace with one of `addresses` (IPv4, host byte order) on the other side, within
  /// `subnet`; listening sockets stay.
  /// - Parameter namespace: the file of a network namespace; nil for the daemon's own.
  /// - Returns: how many there were.
  /// - Throws: also when the kernel cannot do it at all (EOPNOTSUPP, built without `CONFIG_INET_DIAG_DESTROY`).
  static func destroy(
    peers addresses: Set<UInt32>?, subnet: UInt32, prefix: Int, namespace: String? = nil
  ) throws(NetlinkError) -> Int {
    var socket = try NetlinkSocket(CLNET_SOCK_DIAG, namespace: namespace)
    var doomed: [(String, NetlinkMessage)] = []
    for family in [AF_INET, AF_INET6] {
      let list = question(family: UInt8(family), subnet: subnet, prefix: prefix)
      for reply in try socket.dump(list, "list connections") {
        // `inet_diag_msg`: family, state, two more bytes, then the identity of 48 bytes.
        guard reply.payload.count >= 52 else { continue }
        let identity = Array(reply.payload.dropFirst(4).prefix(48))
        if let addresses {
          // The other side's address is at 20; an IPv4 address inside an IPv6 one is its last four bytes.
          let remote = identity[(family == AF_INET ? 20 : 32)...].native(UInt32.self, at: 0).bigEndian
          guard addresses.contains(remote) else { continue }
        }
        doomed.append(
          (
            "end a connection",
            NetlinkMessage(
              CLNET_SOCK_DESTROY, fixed: header(family: UInt8(family), states: .max) + identity)
          ))
      }
    }
    var count = 0
    for start in stride(from: 0, to: doomed.count, by: 1000) {
      for error in try socket.send(Array(doomed[start..<min(start + 1000, doomed.count)])) {
        // ENOENT: it ended by itself.
        if let error, error.code != ENOENT { throw error }
        if error == nil { count += 1 }
      }
    }
    return count
  }

  private static func header(family: UInt8, states: UInt32) -> [UInt8] {
    [family, UInt8(IPPROTO_TCP), 0, 0] + .native(states)
  }

  /// All TCP sockets but listening and closed ones, whose other side is in the subnet: the kernel filters, so that a busy
  /// machine's other connections are not copied.
  private static func question(family: UInt8, subnet: UInt32, prefix: Int) -> NetlinkMessage {
    let states = UInt32.max & ~(1 << UInt32(CLNET_TCP_LISTEN)) & ~(1 << UInt32(CLNET_TCP_CLOSE))
    var message = NetlinkMessage(
      CLNET_SOCK_DIAG_BY_FAMILY, fixed: header(family: family, states: states) + [UInt8](repeating: 0, count: 48))
    // One instruction, "destination matches" (8): 16 bytes on if it does, which is the end; 20 bytes if not, past the end.
    let port: [UInt8] = .native(Int32(-1))
    message.add(
      CLNET_INET_DIAG_REQ_BYTECODE,
      [8, 16] + .native(UInt16(20)) + [UInt8(AF_INET), UInt8(prefix), 0, 0] + port + .network(subnet))
    return message
  }
}
