import NIOCore
import PalanaCore

/// Stands between the network and everything that reads: hands on what its channel has read only when it is the agent's turn, and reads
/// no more before.
///
/// What waits here is what one readiness of the socket brought, at most; the rest waits in the kernel, which slows the sender down.
final class ReadGate: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let turns: ReadTurns
  private let share: ReadTurns.Share
  private var context: ChannelHandlerContext?
  /// Whether the turns know that something is to be done here.
  private var isWaiting = false
  private var wantsRead = false
  private var held: [ByteBuffer] = []
  /// Bytes that wait here.
  private(set) var heldBytes = 0

  /// - Parameter meter: of the agent whose channel it is.
  init(_ turns: ReadTurns, _ agent: AgentID, _ meter: AgentMeter) {
    self.turns = turns
    share = turns.join(agent, meter)
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    drop()
    turns.leave(share)
  }

  // MARK: Out

  func read(context: ChannelHandlerContext) {
    if !isWaiting, turns.mayRead(share, self) { return context.read() }
    isWaiting = true
    wantsRead = true
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    // Who closes wants to hear no more.
    if mode != .output { drop() }
    context.close(mode: mode, promise: promise)
  }

  // MARK: In

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    if turns.countsBytes { turns.didRead(share, buffer.readableBytes) }
    if held.isEmpty, turns.mayDeliver(share, self, buffer.readableBytes) { return context.fireChannelRead(data) }
    isWaiting = true
    held.append(buffer)
    heldBytes += buffer.readableBytes
    turns.hold(buffer.readableBytes)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if held.isEmpty { context.fireChannelReadComplete() }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // What came before the end goes on before it.
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { deliver(context) }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    deliver(context)
    context.fireChannelInactive()
  }

  // MARK: Turns

  /// The turn has come.
  func proceed() {
    isWaiting = false
    guard let context else { return }
    deliver(context)
    guard wantsRead, !isWaiting else { return }
    wantsRead = false
    context.read()
  }

  private func deliver(_ context: ChannelHandlerContext) {
    guard !held.isEmpty else { return }
    let buffers = held
    drop()
    for buffer in buffers { context.fireChannelRead(wrapInboundOut(buffer)) }
    context.fireChannelReadComplete()
  }

  private func drop() {
    turns.release(heldBytes)
    heldBytes = 0
    held.removeAll()
  }
}

extension ChannelPipeline.SynchronousOperations {
  /// Lets this channel of an agent, to it or for it to an upstream, read in turn with the others. Add it first.
  func addReadGate(_ turns: ReadTurns, _ agent: AgentID, _ meter: AgentMeter) throws {
    try addHandler(ReadGate(turns, agent, meter))
  }

  /// Where a handler stands that is to see the bytes of the network before all others.
  func behindReadGate() -> ChannelPipeline.SynchronousOperations.Position {
    guard let gate = try? handler(type: ReadGate.self) else { return .first }
    return .after(gate)
  }
}
