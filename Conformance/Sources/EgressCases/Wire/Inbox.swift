import NIOCore
import NIOTLS
import Synchronization

/// Keeps what a connection received until somebody takes it.
final class Inbox: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  private struct State {
    var bytes: [UInt8] = []
    var isClosed = false
    /// What ALPN agreed on, once TLS stands.
    var negotiated: String??
    /// Counts what happened, so that nothing is missed between looking and waiting.
    var version = 0
    var waiting: CheckedContinuation<Void, Never>?
    /// The version after which nothing came for too long.
    var silentVersion: Int?
  }

  /// More than this is not kept: a case that gets more has seen enough.
  private static let limit = 32 << 20

  private let state = Mutex(State())
  private let silence: (eventLoop: any EventLoop, limit: TimeAmount)?

  /// - Parameter silence: how long somebody waits for the next byte; nil: for ever.
  init(_ eventLoop: any EventLoop, silence: TimeAmount?) { self.silence = silence.map { (eventLoop, $0) } }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = Self.unwrapInboundIn(data)
    wake { state in
      if state.bytes.count < Self.limit { state.bytes += buffer.readableBytesView }
    }
  }

  func channelInactive(context: ChannelHandlerContext) { wake { $0.isClosed = true } }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent { wake { $0.isClosed = true } }
    if case .handshakeCompleted(let negotiated)? = event as? TLSUserEvent { wake { $0.negotiated = .some(negotiated) } }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    wake { $0.isClosed = true }
    context.close(promise: nil)
  }

  private func wake(_ change: (inout State) -> Void) {
    state.withLock { state -> CheckedContinuation<Void, Never>? in
      change(&state)
      state.version += 1
      defer { state.waiting = nil }
      return state.waiting
    }?.resume()
  }

  /// Removes what `take` wants from the front.
  /// - Parameter take: gets what has come, and whether that is all; nil: more is needed.
  func take<Value: Sendable>(
    _ take: (_ bytes: [UInt8], _ isAll: Bool) throws -> (count: Int, value: Value)?
  ) async throws -> Value {
    try await wait { state in
      guard let (count, value) = try take(state.bytes, state.isClosed) else { return nil }
      state.bytes.removeFirst(count)
      return value
    }
  }

  /// Waits until TLS stands.
  /// - Returns: what ALPN agreed on; nil: nothing.
  func negotiated() async throws -> String? { try await wait { $0.negotiated } }

  private func wait<Value: Sendable>(_ look: (inout State) throws -> Value?) async throws -> Value {
    while true {
      try Task.checkCancellation()
      let (found, version) = try state.withLock { state throws -> (Value?, Int) in
        if let value = try look(&state) { return (value, state.version) }
        if state.isClosed { throw Ended() }
        return (nil, state.version)
      }
      if let found { return found }
      try await something(after: version)
    }
  }

  private func something(after version: Int) async throws {
    let timer = silence.map { eventLoop, limit in eventLoop.scheduleTask(in: limit) { [self] in isSilent(after: version) } }
    defer { timer?.cancel() }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isReady = state.withLock { state in
          if Task.isCancelled || state.version != version || state.silentVersion == version { return true }
          state.waiting = continuation
          return false
        }
        if isReady { continuation.resume() }
      }
    } onCancel: {
      wake { _ in }
    }
    if state.withLock({ $0.version == version && $0.silentVersion == version }) { throw Silence() }
  }

  private func isSilent(after version: Int) {
    state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard state.version == version else { return nil }
      state.silentVersion = version
      defer { state.waiting = nil }
      return state.waiting
    }?.resume()
  }
}

/// The connection ended before what was waited for.
struct Ended: Error, CustomStringConvertible {
  var description: String { "the connection ended" }
}

/// Neither a byte nor the end came: the other side lets the connection hang.
struct Silence: Error, CustomStringConvertible {
  var description: String { "neither an answer nor an end came" }
}
