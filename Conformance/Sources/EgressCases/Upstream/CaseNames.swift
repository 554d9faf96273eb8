import NIOCore
import NIOPosix
import Synchronization

/// The name server of the suite: what a name under ``zone`` leads to stands in its first label, so that every case has names of its own.
final class CaseNames: ChannelInboundHandler, Sendable {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>
  typealias OutboundOut = AddressedEnvelope<ByteBuffer>

  static let zone = "dns.test"

  /// What the first part of a label leads to.
  enum Kind: String, CaseIterable {
    /// The upstream.
    case good
    /// An address that nobody may reach.
    case inside
    /// One of each.
    case mixed
    /// An alias of such an address.
    case alias
    /// An IPv6 address that carries one.
    case mapped
    /// The upstream when it is asked first, and from then on an address that nobody may reach.
    case turning
  }

  private let upstream: [UInt8]
  private let inside: [UInt8]
  private let asked = Mutex<[String: Int]>([:])

  init(upstream: String, inside: String) {
    self.upstream = upstream.split(separator: ".").compactMap { UInt8($0) }
    self.inside = inside.split(separator: ".").compactMap { UInt8($0) }
  }

  /// How often the addresses of a name were asked for.
  func count(_ name: String) -> Int { asked.withLock { $0[name] ?? 0 } }

  func bind(_ address: String, _ port: Int) async throws -> any Channel {
    try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { $0.pipeline.addHandler(self) }
      .bind(host: address, port: port).get()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let question = Self.unwrapInboundIn(data)
    guard let answer = answer(Array(question.data.readableBytesView)) else { return }
    let envelope = AddressedEnvelope(remoteAddress: question.remoteAddress, data: ByteBuffer(bytes: answer))
    context.writeAndFlush(Self.wrapOutboundOut(envelope), promise: nil)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {}

  /// The answer to one question (RFC 1035 §4): its name, type and class are repeated, and records point back to the name.
  private func answer(_ message: [UInt8]) -> [UInt8]? {
    guard message.count >= 17, message[4] == 0, message[5] == 1 else { return nil }
    var labels: [String] = []
    var index = 12
    while index < message.count, message[index] != 0 {
      let end = index + 1 + Int(message[index])
      guard message[index] < 64, end < message.count else { return nil }
      labels.append(String(decoding: message[(index + 1)..<end], as: UTF8.self).lowercased())
      index = end
    }
    guard index + 5 <= message.count else { return nil }
    let type = Int(message[index + 1]) << 8 | Int(message[index + 2])
    let name = labels.joined(separator: ".")
    let kind = name.hasSuffix(".\(Self.zone)") ? Kind(rawValue: String(labels[0].prefix { $0 != "-" })) : nil
    let records = kind.map { self.records($0, name, type) }
    let head: [UInt8] = [message[0], message[1], 0x85, records == nil ? 0x83 : 0x80, 0, 1, 0, UInt8(records?.count ?? 0), 0, 0, 0, 0]
    return head + message[12..<(index + 5)] + (records ?? []).flatMap { $0 }
  }

  private func records(_ kind: Kind, _ name: String, _ type: Int) -> [[UInt8]] {
    func record(_ type: UInt8, _ data: [UInt8], owner: [UInt8] = [0xc0, 12]) -> [UInt8] {
      owner + [0, type, 0, 1, 0, 0, 0, 0, UInt8(data.count >> 8), UInt8(data.count & 255)] + data
    }
    guard type == 1 else {
      // IPv6 with the forbidden address in its last four bytes.
      return type == 28 && kind == .mapped ? [record(28, [UInt8](repeating: 0, count: 10) + [255, 255] + inside)] : []
    }
    let time = asked.withLock { asked in
      asked[name, default: 0] += 1
      return asked[name] ?? 1
    }
    switch kind {
    case .good: return [record(1, upstream)]
    case .inside: return [record(1, inside)]
    case .mixed: return [record(1, upstream), record(1, inside)]
    case .mapped: return []
    case .turning: return [record(1, time == 1 ? upstream : inside)]
    case .alias:
      let other: [UInt8] = [8] + Array("internal".utf8) + [7] + Array("company".utf8) + [0]
      return [record(5, other), record(1, inside, owner: other)]
    }
  }
}
