import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
package import PalanaCore
import PalanaPolicy
package import PalanaSecrets
import ServiceLifecycle

/// Asks token endpoints the way the gateway reaches upstreams: the same names, the same address policy, the same roots. What a
/// person wrote as a URL leads to nothing that an agent could not be allowed to reach.
///
/// A connection for each request: tokens are asked for about once an hour.
package final class TokenEndpointClient: TokenTransport, Service {
  /// Longer answers are refused while they are read.
  package static var longestAnswer: Int { 65_536 }

  private let resolver: NameResolver
  private let threads: NIOThreadPool
  private let addresses: AddressPolicy
  private let tls: NIOSSLContext
  private let timeout: Duration
  /// Addresses of one name that are tried.
  private static let most = 4

  /// - Parameters:
  ///   - configuration: the gateway's own.
  ///   - timeout: of one request, from the question to the resolver to the end of the answer.
  /// - Throws: ``PalanaError`` with code `invalid` that names a file of roots.
  package init(
    configuration: EgressGatewayConfiguration, timeout: Duration = .seconds(10)
  ) throws(PalanaError) {
    threads = NIOThreadPool(numberOfThreads: 2)
    resolver = NameResolver(configuration: configuration, threads: threads)
    addresses = configuration.addresses
    tls = try UpstreamTLS.context(extraRoots: configuration.upstreamCAFiles)
    self.timeout = timeout
    threads.start()
  }

  /// Keeps the resolver's threads until graceful shutdown.
  package func run() async throws {
    try? await gracefulShutdown()
    try? await threads.shutdownGracefully()
  }

  package func send(_ request: TokenRequest, for agent: AgentID) async throws(PalanaError) -> TokenAnswer {
    let endpoint = request.endpoint
    let loop = MultiThreadedEventLoopGroup.singleton.any()
    let deadline = NIODeadline.now() + TimeAmount(timeout)
    var failure = Self.unreachable(endpoint)
    for permit in try await permits(endpoint, agent, loop) {
      switch await attempt(request, permit, loop, deadline) {
      case .success(let answer): return answer
      // Another address is tried only while nothing was said to this one.
      case .failure(.notConnected): continue
      case .failure(.untrusted): throw Self.untrusted(endpoint)
      case .failure(.broken): throw Self.broken(endpoint)
      case .failure(.late):
        failure = Self.late(endpoint)
        throw failure
      }
    }
    throw failure
  }

  /// Every address of the name, each one checked; one that is forbidden makes all of them suspect.
  private func permits(
    _ endpoint: TokenEndpoint, _ agent: AgentID, _ loop: any EventLoop
  ) async throws(PalanaError) -> [AddressPermit] {
    let found: [IPAddress]
    do {
      found = try await resolver.resolve(endpoint.authority.host, for: agent, on: loop).get()
    } catch {
      throw PalanaError(.unreachable, "the token endpoint \(endpoint.authority.host) has no address at this moment")
    }
    var permits: [AddressPermit] = []
    for address in found {
      switch addresses.permit(address, port: endpoint.authority.port) {
      case .success(let permit): permits.append(permit)
      case .failure(let refusal):
        throw PalanaError(
          .denied, "the token endpoint \(endpoint.authority.host) may not be reached: \(refusal.explanation)")
      }
    }
    return Array(permits.prefix(Self.most))
  }

  private func attempt(
    _ request: TokenRequest, _ permit: AddressPermit, _ loop: any EventLoop, _ deadline: NIODeadline
  ) async -> Result<TokenAnswer, TokenExchange.Failure> {
    let promise = loop.makePromise(of: TokenAnswer.self)
    let host = request.endpoint.authority.host
    let tls = tls
    let left = deadline - .now()
    guard left > .zero, !Task.isCancelled,
      let address = try? SocketAddress(packedIPAddress: ByteBuffer(bytes: permit.address.networkBytes), port: Int(permit.port))
    else {
      promise.fail(TokenExchange.Failure.late)
      return .failure(.late)
    }
    let opening = ClientBootstrap(group: loop)
      .connectTimeout(left)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(
            NIOSSLClientHandler(context: tls, serverHostname: host.address == nil ? host.description : nil))
          try pipeline.addHTTPClientHandlers()
          try pipeline.addHandler(TokenExchange(request, limit: Self.longestAnswer, deadline: deadline, promise: promise))
        }
      }
      .connect(to: address)
    opening.whenFailure { _ in promise.fail(TokenExchange.Failure.notConnected) }
    return await withTaskCancellationHandler {
      do { return .success(try await promise.futureResult.get()) } catch {
        return .failure(error as? TokenExchange.Failure ?? .broken)
      }
    } onCancel: {
      opening.whenSuccess { $0.close(promise: nil) }
    }
  }

  private static func unreachable(_ endpoint: TokenEndpoint) -> PalanaError {
    PalanaError(.unreachable, "the token endpoint \(endpoint.authority) does not accept connections")
  }

  private static func late(_ endpoint: TokenEndpoint) -> PalanaError {
    PalanaError(.unreachable, "the token endpoint \(endpoint.authority) did not answer in time")
  }

  private static func broken(_ endpoint: TokenEndpoint) -> PalanaError {
    PalanaError(.unreachable, "the token endpoint \(endpoint.authority) sent no answer that can be read")
  }

  private static func untrusted(_ endpoint: TokenEndpoint) -> PalanaError {
    PalanaError(
      .failed, "the certificate of the token endpoint \(endpoint.authority) is not trusted",
      hint: "egress.upstreamCA names further authorities")
  }
}
