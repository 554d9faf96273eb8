import NIOCore
import NIOSSL
import PalanaAudit
import PalanaPolicy

/// From the answer to CONNECT to the first request inside: hello, certificate, handshake.
extension ClientConnection {
  /// - Returns: whether the phase went on.
  func readHello() -> Bool {
    guard let inbound, let tunnel else { return false }
    switch ClientHello.read(inbound) {
    case .needsMore: return false
    case .notTLS: endTunnel(.protocolNotSupported, "something other than TLS came through the tunnel")
    case .malformed: endTunnel(.protocolNotSupported, "the TLS handshake is malformed")
    case .complete(let name):
      if let name, (try? CanonicalHost.parse(name)) != tunnel.authority.host {
        endTunnel(.nameMismatch, "the TLS server name is another one than that of CONNECT")
      } else {
        findLeaf(for: tunnel.authority.host)
      }
    }
    return true
  }

  func findLeaf(for host: CanonicalHost) {
    if let known = loop.shared.leaves.known(host) { return startTLS(known) }
    phase = .minting
    loop.shared.leaves.context(for: host, on: loop.eventLoop).assumeIsolated().whenComplete { [weak self] result in
      guard let self, phase == .minting else { return }
      switch result {
      case .success(let leaf): startTLS(leaf)
      case .failure: endTunnel(.limitExceeded, "too many certificates are being made")
      }
    }
  }

  private func startTLS(_ leaf: NIOSSLContext) {
    guard let context, let first = inbound else { return }
    phase = .handshaking
    loop.turns.worked(agent.id, ReadTurns.handshake)
    inbound = nil
    let pipeline = context.pipeline.syncOperations
    do {
      try pipeline.addHandler(NIOSSLServerHandler(context: leaf), position: pipeline.behindReadGate())
    } catch {
      return endTunnel(.clientHandshakeFailed, "the TLS handshake could not be started")
    }
    // The bytes that were looked at come again, now through TLS: before what waits in the gate.
    if let gate = try? pipeline.context(handlerType: ReadGate.self) {
      gate.fireChannelRead(NIOAny(first))
      gate.fireChannelReadComplete()
    } else {
      pipeline.fireChannelRead(NIOAny(first))
      pipeline.fireChannelReadComplete()
    }
  }

  func handshakeCompleted(_ negotiated: String?) {
    guard phase == .handshaking else { return }
    if negotiated == "h2" { return startHTTP2() }
    phase = .head
    deadline = loop.now + TimeAmount(limits.idleTimeout)
  }

  func handshakeFailed() {
    endTunnel(.clientHandshakeFailed, "the client did not finish the TLS handshake: does it trust the platform's CA?")
  }

  func handshakeTimedOut() {
    if phase == .hello, inbound == nil {
      // Nothing came at all: the tunnel was only opened.
      end(.idle)
      context?.close(promise: nil)
    } else {
      handshakeFailed()
    }
  }

  /// Ends a tunnel in which no request was read, with the reason in the event of its CONNECT.
  private func endTunnel(_ reason: DenialReason, _ explanation: String) {
    guard let tunnel, phase != .closed else { return }
    let verdict: AuditEvent.Decision = reason == .clientHandshakeFailed ? .error : .deny
    if !tunnel.hasRequests {
      flow.record(tunnel.opening, verdict, reason.rawValue, details: ["explanation": explanation])
      tunnel.hasRequests = true
    }
    end(.clientAborted)
    if let context { context.close(promise: nil) }
  }
}
