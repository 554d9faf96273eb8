import CLinux
import Glibc

/// A netlink socket, used by one thread at a time. All calls block, but only for as long as the kernel works: never call one
/// from the cooperative pool or an event loop.
struct NetlinkSocket: ~Copyable {
  private let descriptor: Int32
  private var sequence: UInt32 = 0
  private var buffer = [UInt8](repeating: 0, count: 1 << 17)

  /// - Parameters:
  ///   - netlinkProtocol: `CLNET_ROUTE`, `CLNET_SOCK_DIAG` or `CLNET_NETFILTER`.
  ///   - namespace: the file of a network namespace; nil for the daemon's own.
  init(_ netlinkProtocol: Int, namespace: String? = nil) throws(NetlinkError) {
    descriptor = unsafe clnet_socket(namespace, Int32(netlinkProtocol))
    guard descriptor >= 0 else { throw NetlinkError(-descriptor, "open a netlink socket") }
  }

  deinit { close(descriptor) }

  /// Sends all messages at once. The kernel works on them in order and goes on after a failure.
  /// - Returns: one entry per message, nil where it succeeded.
  mutating func send(_ messages: [(String, NetlinkMessage)]) throws(NetlinkError) -> [NetlinkError?] {
    guard !messages.isEmpty else { return [] }
    let first = sequence &+ 1
    var datagram: [UInt8] = []
    for (_, message) in messages {
      sequence &+= 1
      datagram += message.finished(sequence: sequence, flags: CLNET_F_ACK)
    }
    try transmit(datagram, messages[0].0)
    var results = [NetlinkError?](repeating: nil, count: messages.count)
    var missing = messages.count
    while missing > 0 {
      for reply in try receive(messages[0].0) where reply.type == CLNET_NLMSG_ERROR {
        let index = Int(reply.sequence &- first)
        guard index >= 0, index < messages.count else { continue }
        results[index] = Self.error(in: reply, messages[index].0)
        missing -= 1
      }
    }
    return results
  }

  /// Sends all messages at once and throws the first failure, other than the codes in `ignoring`.
  mutating func run(_ messages: [(String, NetlinkMessage)], ignoring: Set<Int32> = []) throws(NetlinkError) {
    for case let error? in try send(messages) where !ignoring.contains(error.code) { throw error }
  }

  /// Sends one transaction of nftables: all of it happens, or nothing.
  mutating func commit(_ messages: [NetlinkMessage], _ operation: String) throws(NetlinkError) {
    guard !messages.isEmpty else { return }
    // Family 0, version 0, and the number of the subsystem in network byte order.
    let fixed: [UInt8] = [0, 0, 0, UInt8(CLNET_NFT_SUBSYSTEM)]
    sequence &+= 1
    let first = sequence
    var datagram = NetlinkMessage(CLNET_NFNL_BATCH_BEGIN, fixed: fixed).finished(sequence: sequence)
    for (index, message) in messages.enumerated() {
      sequence &+= 1
      datagram += message.finished(sequence: sequence, flags: index == messages.count - 1 ? CLNET_F_ACK : 0)
    }
    let last = sequence
    sequence &+= 1
    datagram += NetlinkMessage(CLNET_NFNL_BATCH_END, fixed: fixed).finished(sequence: sequence)
    try transmit(datagram, operation)
    var failure: NetlinkError?
    while true {
      for reply in try receive(operation) where reply.type == CLNET_NLMSG_ERROR {
        guard reply.sequence &- first <= last &- first else { continue }
        if let error = Self.error(in: reply, operation) { failure = failure ?? error }
        // An error of the batch itself may be the only answer.
        if reply.sequence == first, let failure { throw failure }
        guard reply.sequence == last else { continue }
        if let failure { throw failure }
        return
      }
    }
  }

  /// Asks for one thing. A refusal is thrown.
  mutating func ask(_ message: NetlinkMessage, _ operation: String) throws(NetlinkError) -> NetlinkReply {
    sequence &+= 1
    try transmit(message.finished(sequence: sequence), operation)
    while true {
      for reply in try receive(operation) where reply.sequence == sequence {
        if reply.type == CLNET_NLMSG_ERROR {
          throw Self.error(in: reply, operation) ?? NetlinkError(EPROTO, operation)
        }
        return reply
      }
    }
  }

  /// Asks for a list. Asks again when the list changed while it was read.
  mutating func dump(_ message: NetlinkMessage, _ operation: String) throws(NetlinkError) -> [NetlinkReply] {
    for _ in 0..<16 {
      if let replies = try dumpOnce(message, operation) { return replies }
    }
    throw NetlinkError(EAGAIN, operation)
  }

  private mutating func dumpOnce(
    _ message: NetlinkMessage, _ operation: String
  ) throws(NetlinkError) -> [NetlinkReply]? {
    sequence &+= 1
    try transmit(message.finished(sequence: sequence, flags: CLNET_F_DUMP), operation)
    var replies: [NetlinkReply] = []
    var isConsistent = true
    while true {
      for reply in try receive(operation) where reply.sequence == sequence {
        if reply.flags & CLNET_F_DUMP_INTR != 0 { isConsistent = false }
        switch reply.type {
        case CLNET_NLMSG_DONE:
          let code = reply.payload.native(Int32.self, at: 0)
          guard code == 0 || code == -EINTR else { throw NetlinkError(-code, operation) }
          return isConsistent && code == 0 ? replies : nil
        case CLNET_NLMSG_ERROR:
          throw Self.error(in: reply, operation) ?? NetlinkError(EPROTO, operation)
        default: replies.append(reply)
        }
      }
    }
  }

  private func transmit(_ datagram: [UInt8], _ operation: String) throws(NetlinkError) {
    let code = unsafe datagram.withUnsafeBufferPointer { unsafe clnet_send(descriptor, $0.baseAddress, $0.count) }
    guard code == 0 else { throw NetlinkError(-code, operation) }
  }

  private mutating func receive(_ operation: String) throws(NetlinkError) -> [NetlinkReply] {
    let count = unsafe buffer.withUnsafeMutableBufferPointer {
      unsafe clnet_receive(descriptor, $0.baseAddress, $0.count)
    }
    guard count >= 0 else { throw NetlinkError(Int32(-count), operation) }
    return NetlinkReply.parse(Array(buffer[0..<count]))
  }

  /// The failure in an error message; nil for an acknowledgement.
  private static func error(in reply: NetlinkReply, _ operation: String) -> NetlinkError? {
    let code = reply.payload.native(Int32.self, at: 0)
    guard code != 0 else { return nil }
    var detail = ""
    if reply.flags & CLNET_F_ACK_TLVS != 0 {
      let echoed = Int(reply.payload.native(UInt32.self, at: 4))
      let skip = reply.flags & CLNET_F_CAPPED != 0 ? 16 : (echoed + 3) & ~3
      detail = NetlinkAttributes(reply.payload.dropFirst(4 + skip)).text(CLNET_NLMSGERR_ATTR_MSG) ?? ""
    }
    return NetlinkError(code < 0 ? -code : code, operation, detail: detail)
  }
}
