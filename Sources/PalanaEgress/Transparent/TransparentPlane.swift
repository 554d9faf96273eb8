import Logging
import NIOCore
import NIOPosix
import PalanaAudit
import PalanaCore
import PalanaPolicy
import Synchronization

/// The listeners for agents that ignore the proxy variables: redirected connections on the gateway's event loops, the resolver on one of its
/// own.
final class TransparentPlane: Sendable {
  let configuration: TransparentConfiguration
  let names: SyntheticNames
  /// The resolver's event loop, with its picture of the agents.
  let loop: NIOLoopBoundBox<LoopContext>
  private let address: IPAddress
  private let group: MultiThreadedEventLoopGroup
  private let channels = Mutex<Channels>(Channels())

  private struct Channels {
    var listener: (any Channel)?
    var datagrams: (any Channel)?
    var stream: (any Channel)?
  }

  init(_ configuration: TransparentConfiguration, shared: GatewayShared, sink: any AuditSink) {
    self.configuration = configuration
    let names = SyntheticNames(range: configuration.range)
    self.names = names
    address = shared.configuration.listenAddress
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let context = LoopContext(eventLoop: group.next(), shared: shared, sink: sink)
    context.resolver = AgentResolver(loop: context, names: names)
    loop = NIOLoopBoundBox.makeBoxSendingValue(context, eventLoop: group.next())
  }

  /// Opens the sockets. Idempotent.
  /// - Parameters:
  ///   - gateway: the event loops for redirected connections.
  ///   - admit: puts the first handler of a redirected connection into its pipeline.
  /// - Throws: ``PalanaError`` with code `failed` that names the address.
  func listen(
    on gateway: MultiThreadedEventLoopGroup, admit: @escaping @Sendable (any Channel) throws -> Void
  ) async throws(PalanaError) {
    guard channels.withLock({ $0.listener == nil }) else { return }
    let listener = try await open(configuration.listenPort, "the transparent listener") { address in
      try await ServerBootstrap(group: gateway)
        .serverChannelOption(.backlog, value: 1024)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .serverChannelOption(.maxMessagesPerRead, value: 64)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .childChannelInitializer { channel in channel.eventLoop.makeCompletedFuture { try admit(channel) } }
        .bind(to: address).get()
    }
    channels.withLock { $0.listener = listener }
    let loop = self.loop
    let stream = try await open(configuration.resolverPort, "the resolver for agents") { address in
      try await ServerBootstrap(group: group)
        .serverChannelOption(.backlog, value: 128)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            guard let resolver = loop.value.resolver, let (ip, port) = channel.remoteAddress?.ipAndPort else {
              throw ChannelError.ioOnClosedChannel
            }
            let connection = ResolverConnection(resolver, source: AuditEvent.Source(ip: ip, port: port))
            try channel.pipeline.syncOperations.addHandler(connection)
          }
        }
        .bind(to: address).get()
    }
    channels.withLock { $0.stream = stream }
    // The same port for both, also when the system chose it: among those of TCP, of which far more are taken.
    let port = stream.localAddress?.port.flatMap(UInt16.init(exactly:)) ?? configuration.resolverPort
    let datagrams = try await open(port, "the resolver for agents") { address in
      try await DatagramBootstrap(group: group)
        .channelOption(.maxMessagesPerRead, value: 32)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            guard let resolver = loop.value.resolver else { throw ChannelError.ioOnClosedChannel }
            try channel.pipeline.syncOperations.addHandler(ResolverDatagrams(resolver))
          }
        }
        .bind(to: address).get()
    }
    channels.withLock { $0.datagrams = datagrams }
  }

  private func open(
    _ port: UInt16, _ what: String, _ bind: (SocketAddress) async throws -> any Channel
  ) async throws(PalanaError) -> any Channel {
    do {
      return try await bind(try SocketAddress(packedIPAddress: ByteBuffer(bytes: address.networkBytes), port: Int(port)))
    } catch {
      throw PalanaError(
        .failed, "\(what) cannot listen on \(address) port \(port)",
        hint: "is the port free at that address? egress.transparent.enabled: false goes without it")
    }
  }

  func close() async {
    let open = channels.withLock { [$0.listener, $0.datagrams, $0.stream] }
    for case let channel? in open { try? await channel.close() }
  }

  func shutdown() async { try? await group.shutdownGracefully() }

  /// Ports of the listener and of the resolver, once they are open.
  var ports: (listener: Int, resolver: Int)? {
    channels.withLock { channels in
      guard let listener = channels.listener?.localAddress?.port, let resolver = channels.stream?.localAddress?.port else {
        return nil
      }
      return (listener, resolver)
    }
  }

  // MARK: Redirected connections

  /// What a redirected connection of an agent was to reach; nil for an address that stands for no name, and for the listener itself.
  func authority(of endpoint: OriginalDestination.Endpoint, for agent: EgressAgent) -> Authority? {
    guard endpoint.port != 0, endpoint.address != address else { return nil }
    guard names.isInRange(endpoint.address) else {
      return Authority(host: CanonicalHost(endpoint.address), port: endpoint.port)
    }
    return names.host(at: endpoint.address, for: agent.id, now: .now()).map { Authority(host: $0, port: endpoint.port) }
  }
}
