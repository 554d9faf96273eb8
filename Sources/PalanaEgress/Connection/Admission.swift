import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// Stands at the door: a connection whose source address is no agent's is closed before a byte of it is read.
///
/// The address is trustworthy because the engine's firewall drops packets with a source that is not the sandbox's own.
final class Admission: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer

  private let loop: LoopContext

  init(loop: LoopContext) { self.loop = loop }

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
    let connection = ClientConnection(agent: agent, source: AuditEvent.Source(ip: ip, port: port), loop: loop)
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
