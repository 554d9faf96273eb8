import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import PalanaCore

/// Opens the websocket on which a program in a container is run (RFC 6455, with the subprotocol of Kubernetes).
struct ExecHandshake: Sendable {
  static let protocolName = "v5.channel.k8s.io"
  /// Bytes of one message. What is read ahead is a few of them, then the container has to wait.
  static let messageBytes = 1 << 20

  let server: KubeServer
  let impersonation: Impersonation?
  /// Below the server's address, with its query.
  let path: String

  private enum Upgrade: Sendable {
    case open(ExecSession.Frames)
    /// The server switched, but to something else.
    case otherProtocol
    case refused
  }

  private struct Opening: Sendable {
    var channel: any Channel
    var result: EventLoopFuture<Upgrade>
  }

  /// - Throws: ``KubeError``, or `CancellationError`.
  func open() async throws -> ExecSession.Frames {
    let identity = try await server.identity(impersonation)
    do {
      return try await open(as: identity)
    } catch let error as KubeError where error.kind == .unauthenticated {
      guard let other = try await server.identity(impersonation, insteadOf: identity) else { throw error }
      return try await open(as: other)
    }
  }

  private func open(as identity: KubeServer.Identity) async throws -> ExecSession.Frames {
    guard server.endpoint.proxy == nil else {
      throw KubeError(invalid: "programs in containers cannot be run through the proxy of the kubeconfig")
    }
    let refusal = RefusedUpgrade()
    let opening: Opening
    do { opening = try await connect(as: identity, refusal) } catch {
      throw KubeError(.unreachable, "the API server \(server.endpoint.url) cannot be reached")
    }
    let channel = opening.channel
    return try await withTaskCancellationHandler {
      do {
        switch try await opening.result.get() {
        case .open(let frames): return frames
        case .refused: throw await refusal.error()
        case .otherProtocol:
          channel.close(promise: nil)
          throw KubeError(.malformed, "the API server does not speak \(Self.protocolName), which Kubernetes 1.30 and newer do")
        }
      } catch let error as KubeError {
        throw error
      } catch {
        try Task.checkCancellation()
        throw KubeError(.unreachable, "the connection with the API server \(server.endpoint.url) broke off")
      }
    } onCancel: {
      channel.close(promise: nil)
    }
  }

  private func connect(as identity: KubeServer.Identity, _ refusal: RefusedUpgrade) async throws -> Opening {
    let address = try KubeAddress(server.endpoint)
    var headers = identity.headers
    headers.add(name: "host", value: address.authority)
    headers.add(name: "sec-websocket-protocol", value: Self.protocolName)
    let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: address.path + path, headers: headers)
    var tls = identity.tls
    tls.applicationProtocols = ["http/1.1"]
    let context = address.isTLS ? try NIOSSLContext(configuration: tls) : nil
    let name = IPAddress(address.name) == nil ? address.name : nil
    let timeout = TimeAmount(server.limits.timeout)
    return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(TimeAmount(server.limits.connectTimeout))
      .channelOption(.allowRemoteHalfClosure, value: true)
      .connect(host: address.host, port: address.port) { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          let socket = LateEnd()
          try pipeline.addHandler(socket)
          if let context {
            // The end may be that of TLS, or that of the socket.
            try pipeline.addHandlers(NIOSSLClientHandler(context: context, serverHostname: name), LateEnd(), PromptClose(socket))
          }
          var configuration = NIOUpgradableHTTPClientPipelineConfiguration(upgradeConfiguration: Self.configuration(head, refusal))
          // The first frames may come in one packet with the switch.
          configuration.leftOverBytesStrategy = .forwardBytes
          let result = try pipeline.configureUpgradableHTTPClientPipeline(configuration: configuration)
          // A server that says nothing, or never ends its refusal.
          let deadline = channel.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
          channel.closeFuture.whenComplete { _ in deadline.cancel() }
          result.whenSuccess { if case .open = $0 { deadline.cancel() } }
          return Opening(channel: channel, result: result)
        }
      }
  }

  private static func configuration(
    _ head: HTTPRequestHead, _ refusal: RefusedUpgrade
  ) -> NIOTypedHTTPClientUpgradeConfiguration<Upgrade> {
    let upgrader = NIOTypedWebSocketClientUpgrader<Upgrade>(maxFrameSize: messageBytes) { channel, answer in
      channel.eventLoop.makeCompletedFuture {
        guard answer.headers["sec-websocket-protocol"] == [protocolName] else { return .otherProtocol }
        try channel.pipeline.syncOperations.addHandler(
          NIOWebSocketFrameAggregator(
            minNonFinalFragmentSize: 1, maxAccumulatedFrameCount: 1_024, maxAccumulatedFrameSize: messageBytes))
        return .open(try NIOAsyncChannel(wrappingChannelSynchronously: channel))
      }
    }
    return NIOTypedHTTPClientUpgradeConfiguration(upgradeRequestHead: head, upgraders: [upgrader]) { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(RefusalReader(refusal))
        return .refused
      }
    }
  }
}
