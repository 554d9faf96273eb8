import NIOCore
import PalanaCore

/// Lets its channel read only when it is the agent's turn; stands between the network and everything that reads.
final class ReadGate: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer

  private let turns: ReadTurns
  let share: ReadTurns.Share
  private var context: ChannelHandlerContext?
  private var isWaiting = false

  /// - Parameter meter: of the agent whose channel it is.
  init(_ turns: ReadTurns, _ agent: AgentID, _ meter: AgentMeter) {
    self.turns = turns
    share = turns.join(agent, meter)
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    turns.leave(share)
  }

  func read(context: ChannelHandlerContext) {
    guard !isWaiting else { return }
    if turns.mayRead(share, self) { context.read() } else { isWaiting = true }
  }

  /// The turn has come.
  func readNow() {
    isWaiting = false
    context?.read()
  }
}

/// Counts what a channel reads, where a rate of bytes is kept.
final class ReadCounter: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let turns: ReadTurns
  private let share: ReadTurns.Share

  init(_ turns: ReadTurns, _ share: ReadTurns.Share) {
    self.turns = turns
    self.share = share
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    turns.didRead(share, unwrapInboundIn(data).readableBytes)
    context.fireChannelRead(data)
  }
}

extension ChannelPipeline.SynchronousOperations {
  /// Lets this channel of an agent, to it or for it to an upstream, read in turn with the others.
  func addReadGate(_ turns: ReadTurns, _ agent: AgentID, _ meter: AgentMeter) throws {
    let gate = ReadGate(turns, agent, meter)
    if turns.countsBytes { try addHandler(ReadCounter(turns, gate.share)) }
    try addHandler(gate)
  }
}
