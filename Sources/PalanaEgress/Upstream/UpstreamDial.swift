import NIOCore
import NIOPosix
import NIOSSL
import PalanaCore
import PalanaPolicy

/// Opens one connection to an upstream: resolve, check every address, dial the checked ones in turn, verify.
final class UpstreamDial: PendingDial {
  private let key: UpstreamKey
  private let loop: LoopContext
  private var completion: ((Result<UpstreamConnection, UpstreamFailure>) -> Void)?
  private var permits: [AddressPermit] = []
  private var current: UpstreamConnection?
  private var timeout: Scheduled<Void>?
  private var lastFailure = UpstreamFailure(.upstreamUnreachable, "the upstream did not accept the connection")

  /// Addresses of one name that are tried.
  private static let most = 4

  init(
    key: UpstreamKey, loop: LoopContext,
    completion: @escaping (Result<UpstreamConnection, UpstreamFailure>) -> Void
  ) {
    self.key = key
    self.loop = loop
    self.completion = completion
  }

  func start() {
    let limit = TimeAmount(loop.shared.limits.dialTimeout) + TimeAmount(loop.shared.limits.resolveTimeout)
    timeout = loop.eventLoop.assumeIsolated().scheduleTask(in: limit) { [self] in
      current?.abort()
      finish(.failure(UpstreamFailure(.upstreamTimeout, "the upstream did not accept the connection in time")))
    }
    if let known = loop.shared.resolver.known(key.authority.host, now: .now()) { return resolved(known) }
    loop.shared.resolver.resolve(key.authority.host, for: key.agent, on: loop.eventLoop).assumeIsolated()
      .whenComplete { [self] result in
        guard completion != nil else { return }
        resolved(result.mapError { $0 as? ResolveError ?? .noAnswer })
      }
  }

  /// Stops wherever it is; the completion is not called any more.
  func cancel() {
    completion = nil
    timeout?.cancel()
    current?.abort()
    current = nil
  }

  private func resolved(_ result: Result<[IPAddress], ResolveError>) {
    switch Self.permits(result, port: key.authority.port, policy: loop.shared.addresses) {
    case .failure(let failure): finish(.failure(failure))
    case .success(let checked):
      permits = checked.prefix(Self.most).reversed()
      tryNext()
    }
  }

  /// The addresses of a name with the proof that each may be dialled.
  static func permits(
    _ result: Result<[IPAddress], ResolveError>, port: UInt16, policy: AddressPolicy
  ) -> Result<[AddressPermit], UpstreamFailure> {
    switch result {
    case .failure(let error): return .failure(UpstreamFailure(.nameNotResolved, error.explanation))
    case .success(let addresses):
      var permits: [AddressPermit] = []
      // One forbidden address among the answers makes all of them suspect: a rebinding attack mixes them on purpose.
      for address in addresses {
        switch policy.permit(address, port: port) {
        case .success(let permit): permits.append(permit)
        case .failure(let refusal): return .failure(UpstreamFailure(refusal.reason, refusal.explanation))
        }
      }
      return .success(permits)
    }
  }

  private func tryNext() {
    guard let permit = permits.popLast() else { return finish(.failure(lastFailure)) }
    let total = TimeAmount(loop.shared.limits.dialTimeout)
    connect(permit, timeout: permits.isEmpty ? total : .nanoseconds(max(1, total.nanoseconds / 3)))
  }

  /// The only place that opens a connection: it takes the proof that the address was checked.
  private func connect(_ permit: AddressPermit, timeout: TimeAmount) {
    let connection = UpstreamConnection(key: key, loop: loop) { [weak self] result in self?.opened(result) }
    current = connection
    loop.counts.upstreamConnections += 1
    let bound = NIOLoopBound((connection, tlsHandler()), eventLoop: loop.eventLoop)
    let meter = loop.shared.meters.meter(of: key.agent)
    let address: SocketAddress
    do {
      address = try SocketAddress(
        packedIPAddress: ByteBuffer(bytes: permit.address.networkBytes), port: Int(permit.port))
    } catch {
      return opened(.failure(UpstreamFailure(connecting: error)))
    }
    ClientBootstrap(group: loop.eventLoop)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .connectTimeout(timeout)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let (connection, tls) = bound.value
          try channel.pipeline.syncOperations.addReadGate(connection.loop.turns, connection.key.agent, meter)
          if let tls { try channel.pipeline.syncOperations.addHandler(tls.get()) }
          try channel.pipeline.syncOperations.addHandler(connection)
        }
      }
      .connect(to: address)
      .assumeIsolated()
      .whenFailure { [weak self] error in
        guard let self, current === connection else { return }
        opened(.failure(UpstreamFailure(connecting: error)))
      }
  }

  private func tlsHandler() -> Result<NIOSSLClientHandler, any Error>? {
    guard key.scheme == .https else { return nil }
    // For an address there is no server name: the certificate must name the address that was dialled.
    let name = key.authority.host.address == nil ? key.authority.host.description : nil
    let tls = key.offersHTTP2 ? loop.shared.upstreamHTTP2 : loop.shared.upstreamTLS
    return Result { try NIOSSLClientHandler(context: tls, serverHostname: name) }
  }

  private func opened(_ result: Result<UpstreamConnection, UpstreamFailure>) {
    guard completion != nil else { return }
    switch result {
    case .success(let connection):
      current = nil
      finish(.success(connection))
    case .failure(let failure):
      current?.abort()
      current = nil
      lastFailure = failure
      // Another address of the same name would present the same broken certificate, or is the way around it.
      if failure.reason == .upstreamCertificateInvalid || failure.isProtocolMismatch { return finish(.failure(failure)) }
      tryNext()
    }
  }

  private func finish(_ result: Result<UpstreamConnection, UpstreamFailure>) {
    guard let completion else { return }
    self.completion = nil
    timeout?.cancel()
    timeout = nil
    completion(result)
  }
}
