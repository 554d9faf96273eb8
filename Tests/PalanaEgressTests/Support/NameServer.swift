import NIOCore
import NIOPosix
import Synchronization

/// A name server under the test's control, on loopback.
final class NameServer: Sendable {
  /// What a question is answered with.
  enum Record: Sendable {
    case address([UInt8])
    case alias(String)
  }

  struct Zone: Sendable {
    /// Answers in order of the questions for a name; the last one stays. Nil in the list: no such name.
    var answers: [String: [[Record]?]] = [:]
    var ttl: UInt32 = 0
    /// Names whose questions are never answered.
    var silent: Set<String> = []
  }

  let port: UInt16
  private let channel: any Channel
  private let zone: Mutex<Zone>
  private let questionLog = Mutex<[String]>([])

  init(_ zone: Zone) async throws {
    self.zone = Mutex(zone)
    let holder = Holder()
    channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Handler(holder)) }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    port = UInt16(channel.localAddress?.port ?? 0)
    holder.server.withLock { $0 = self }
  }

  func stop() async { try? await channel.close() }

  /// Answers every name from now on.
  func speak() { zone.withLock { $0.silent = [] } }

  var questions: [String] { questionLog.withLock { $0 } }

  private final class Holder: Sendable {
    let server = Mutex<NameServer?>(nil)
  }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>
    private let holder: Holder
    init(_ holder: Holder) { self.holder = holder }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let envelope = unwrapInboundIn(data)
      guard let server = holder.server.withLock({ $0 }), let answer = server.answer(envelope.data) else { return }
      context.writeAndFlush(wrapOutboundOut(AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: answer)), promise: nil)
    }
  }

  private func answer(_ packet: ByteBuffer) -> ByteBuffer? {
    var packet = packet
    guard let id = packet.readInteger(as: UInt16.self), packet.readBytes(length: 10) != nil else { return nil }
    var labels: [String] = []
    var question = ByteBuffer()
    while let length = packet.readInteger(as: UInt8.self) {
      question.writeInteger(length)
      if length == 0 { break }
      guard let bytes = packet.readBytes(length: Int(length)) else { return nil }
      question.writeBytes(bytes)
      labels.append(String(decoding: bytes, as: UTF8.self))
    }
    guard let type = packet.readInteger(as: UInt16.self), packet.readInteger(as: UInt16.self) != nil else { return nil }
    question.writeInteger(type)
    question.writeInteger(UInt16(1))
    let name = labels.joined(separator: ".").lowercased()
    questionLog.withLock { $0.append("\(name)/\(type)") }
    let ttl = zone.withLock { $0.ttl }
    if zone.withLock({ $0.silent.contains(name) }) { return nil }
    let records = zone.withLock { zone -> [Record]? in
      guard var list = zone.answers[name], let first = list.first else { return nil }
      // The question for A comes first; the answer changes after that for AAAA.
      if type == 28, list.count > 1 {
        list.removeFirst()
        zone.answers[name] = list
      }
      return first
    }
    var reply = ByteBuffer()
    reply.writeInteger(id)
    reply.writeInteger(UInt16(records == nil ? 0x8183 : 0x8180))
    reply.writeInteger(UInt16(1))
    var body = ByteBuffer()
    var count: UInt16 = 0
    var owner = labels
    for record in records ?? [] {
      switch record {
      case .alias(let target):
        var rdata = ByteBuffer()
        Self.write(target.split(separator: ".").map(String.init), into: &rdata)
        Self.write(owner, into: &body)
        body.writeInteger(UInt16(5))
        Self.writeRest(rdata, ttl, into: &body)
        owner = target.split(separator: ".").map(String.init)
        count += 1
      case .address(let bytes):
        guard (bytes.count == 4) == (type == 1) else { continue }
        Self.write(owner, into: &body)
        body.writeInteger(type)
        Self.writeRest(ByteBuffer(bytes: bytes), ttl, into: &body)
        count += 1
      }
    }
    reply.writeInteger(count)
    reply.writeInteger(UInt32(0))
    reply.writeBuffer(&question)
    reply.writeBuffer(&body)
    return reply
  }

  private static func write(_ labels: [String], into buffer: inout ByteBuffer) {
    for label in labels {
      buffer.writeInteger(UInt8(label.utf8.count))
      buffer.writeString(label)
    }
    buffer.writeInteger(UInt8(0))
  }

  private static func writeRest(_ rdata: ByteBuffer, _ ttl: UInt32, into buffer: inout ByteBuffer) {
    buffer.writeInteger(UInt16(1))
    buffer.writeInteger(ttl)
    buffer.writeInteger(UInt16(rdata.readableBytes))
    buffer.writeImmutableBuffer(rdata)
  }
}
