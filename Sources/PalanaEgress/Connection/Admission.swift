import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// Stands at the door: a connection whose source address is no agent's is closed before a byte of it is read.
///
/// The address is trustworthy because the engine's firewall drops packets with a source that is not the sandbox's own. For a redirected
/// connection it is all there is: nobody can present a proxy token by it.
final class Admission: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer

  private let loop: LoopContext
  /// Where redirected connections are told apart; nil: the agent speaks to its proxy.
  private let transparent: TransparentPlane?

  init(loop: LoopContext, transparent: TransparentPlane? = nil) {
    self.loop = loop
    self.transparent = transparent
  }

  func channelActive(context: ChannelHandlerContext) {
    guard !loop.isStopping, let remote = context.remoteAddress, let (ip, port) = remote.ipAndPort else {
      return context.close(promise: nil)
    }
    guard let agent = loop.snapshot.agents[ip] else {
      loop.refuse(RefusalLog.Refusal(ip: ip, port: port, reason: .agentUnknown))
      return context.close(promise: nil)
    }
    let name = AuditEvent.AgentRef(id: agent.id, name: agent.subject.name.text, owner: agent.subject.owner)
    guard !agent.isKilled else {
      loop.refuse(RefusalLog.Refusal(ip: ip, port: port, reason: .agentKilled, agent: name))
      return context.close(promise: nil)
    }
    let limit = agent.connectionLimit ?? loop.shared.limits.connectionsPerAgent
    guard
      let meter = loop.shared.meters.admit(
        agent.id, limit: limit, perSecond: loop.shared.limits.newConnectionsPerSecond, now: .now())
    else {
      loop.refuse(RefusalLog.Refusal(ip: ip, port: port, reason: .limitExceeded, agent: name))
      return context.close(promise: nil)
    }
    let source = AuditEvent.Source(ip: ip, port: port)
    guard let transparent else { return enter(context, agent, meter, source, nil) }
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    transparent.configuration.destination(context.channel).assumeIsolated().whenComplete { result in
      let (admission, context) = bound.value
      guard case .success(let endpoint) = result, let destination = transparent.authority(of: endpoint, for: agent) else {
        admission.loop.shared.meters.release(agent.id)
        admission.loop.refuse(RefusalLog.Refusal(ip: ip, port: port, reason: .addressNotAllowed, agent: name))
        return context.close(promise: nil)
      }
      admission.enter(context, agent, meter, source, destination)
    }
  }

  private func enter(
    _ context: ChannelHandlerContext, _ agent: EgressAgent, _ meter: AgentMeter, _ source: AuditEvent.Source,
    _ destination: Authority?
  ) {
    let connection = ClientConnection(agent: agent, source: source, loop: loop, destination: destination)
    loop.register(connection)
    do {
      try context.pipeline.syncOperations.addReadGate(loop.turns, agent.id, meter)
      try context.pipeline.syncOperations.addHandler(connection)
    } catch {
      loop.unregister(connection)
      return context.close(promise: nil)
    }
    context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
  }
}

extension SocketAddress {
  /// The address in our own form, and the port; nil for a Unix socket.
  var ipAndPort: (IPAddress, Int)? {
    guard let text = ipAddress, let address = IPAddress(text), let port else { return nil }
    return (address, port)
  }
}
