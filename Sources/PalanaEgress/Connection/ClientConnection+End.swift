import NIOCore
import NIOSSL
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// How connections end.
extension ClientConnection {
  /// Sends what is left to send, says that nothing more comes, and waits a moment for the client to read it: closing at once
  /// could take the answer away from a client that is still sending.
  func drain() {
    guard phase != .closed, phase != .draining else { return }
    phase = .draining
    inbound = nil
    touch()
    flow.releaseUpstream()
    guard let context else { return }
    let sent = context.eventLoop.makePromise(of: Void.self)
    context.close(mode: .output, promise: sent)
    // Only what the client still sends is waited for so shortly, not what it still reads.
    sent.futureResult.assumeIsolated().whenComplete { [self] _ in deadline = loop.now + .seconds(2) }
  }

  /// The gateway stops: requests under way may end, and nothing new begins.
  func windDown() {
    switch phase {
    case .exchange, .draining, .closed: break
    case .relay: flow.goAway()
    case .multiplexed:
      guard let multiplexed else { return }
      multiplexed.goAway()
      for case let stream as HTTP2ClientStream in Array(multiplexed.streams.values) { stream.flow.goAway() }
      if multiplexed.streams.isEmpty { context?.close(promise: nil) }
    case .opening, .head, .deciding, .hello, .minting, .handshaking:
      end(.gatewayStopped)
      context?.close(promise: nil)
    }
  }

  func streamTimedOut() {
    guard !flow.refuseLate() else { return }
    end(.idle)
    context?.close(promise: nil)
  }

  /// The end of the connection's life: events for what was open, the upstream side closed. Idempotent.
  func end(_ reason: EndReason) {
    guard phase != .closed else { return }
    recordUnopened(reason)
    phase = .closed
    inbound = nil
    outbound = nil
    flow.end(reason)
    endStreams(reason)
    multiplexed = nil
    if let tunnel, !tunnel.hasRequests {
      // The event of a CONNECT that nothing followed.
      flow.record(tunnel.opening, .allow, reason == .clientAborted ? nil : reason.text)
      tunnel.hasRequests = true
    }
  }
}
