import NIOCore
import PalanaAudit
import PalanaCore

/// Questions by datagrams.
final class ResolverDatagrams: ChannelInboundHandler {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>
  typealias OutboundOut = AddressedEnvelope<ByteBuffer>

  private let resolver: AgentResolver

  init(_ resolver: AgentResolver) { self.resolver = resolver }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let envelope = unwrapInboundIn(data)
    guard let (ip, port) = envelope.remoteAddress.ipAndPort else { return }
    let channel = context.channel
    resolver.answer(envelope.data, from: AuditEvent.Source(ip: ip, port: port)) { reply in
      // A socket that takes nothing loses the answer, as a network would.
      guard let reply, channel.isWritable else { return }
      channel.writeAndFlush(AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: reply), promise: nil)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // An answer to an agent that is gone. The socket serves the others.
  }
}

/// Questions by a connection (RFC 7766): one after the other, each with its length before it.
final class ResolverConnection: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  /// What one connection may send before its first question is answered.
  private static let mostBytes = 2 * (DNSQuestion.longest + 2)
  private static let patience: TimeAmount = .seconds(10)

  let source: AuditEvent.Source
  private(set) var deadline = NIODeadline.now() + patience
  private let resolver: AgentResolver
  private var context: ChannelHandlerContext?
  private var inbound = ByteBuffer()
  private var isAnswering = false

  init(_ resolver: AgentResolver, source: AuditEvent.Source) {
    self.resolver = resolver
    self.source = source
  }

  func channelActive(context: ChannelHandlerContext) {
    self.context = context
    if !resolver.open(self) { close() }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.context = nil
    resolver.closed(self)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    inbound.writeBuffer(&bytes)
    inbound.discardReadBytes()
    guard inbound.readableBytes <= Self.mostBytes else { return close() }
    drive()
  }

  private func drive() {
    guard !isAnswering, let length = inbound.getInteger(at: inbound.readerIndex, as: UInt16.self) else { return }
    guard length >= 12, length <= DNSQuestion.longest else { return close() }
    guard inbound.readableBytes >= 2 + Int(length) else { return }
    inbound.moveReaderIndex(forwardBy: 2)
    guard let message = inbound.readSlice(length: Int(length)) else { return }
    isAnswering = true
    resolver.answer(message, from: source) { [self] reply in
      isAnswering = false
      guard let reply, let context, context.channel.isWritable else { return close() }
      deadline = .now() + Self.patience
      var framed = context.channel.allocator.buffer(capacity: reply.readableBytes + 2)
      framed.writeInteger(UInt16(truncatingIfNeeded: reply.readableBytes))
      framed.writeImmutableBuffer(reply)
      context.writeAndFlush(NIOAny(framed), promise: nil)
      drive()
    }
  }

  func close() { context?.close(promise: nil) }
}

/// The resolver's open connections, bounded.
struct ResolverConnections {
  private static let mostOfOneAgent = 16
  private static let most = 1024

  private var open: [ObjectIdentifier: (connection: ResolverConnection, agent: EgressAgent)] = [:]
  private var counts: [AgentID: Int] = [:]

  /// - Returns: whether there is room.
  mutating func add(_ connection: ResolverConnection, of agent: EgressAgent) -> Bool {
    guard open.count < Self.most, counts[agent.id, default: 0] < Self.mostOfOneAgent else { return false }
    open[ObjectIdentifier(connection)] = (connection, agent)
    counts[agent.id, default: 0] += 1
    return true
  }

  mutating func remove(_ connection: ResolverConnection) {
    guard let (_, agent) = open.removeValue(forKey: ObjectIdentifier(connection)) else { return }
    let left = counts[agent.id, default: 1] - 1
    counts[agent.id] = left > 0 ? left : nil
  }

  /// Closes those that were silent for too long.
  func expire(_ now: NIODeadline) {
    for (connection, _) in Array(open.values) where connection.deadline <= now { connection.close() }
  }

  /// Closes those of the agents that `isGone` picks.
  func cut(where isGone: (EgressAgent) -> Bool) {
    for (connection, agent) in Array(open.values) where isGone(agent) { connection.close() }
  }
}
