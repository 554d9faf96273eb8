import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import PalanaCore

/// What runs in a container, and which of its streams are wanted.
package struct ExecRequest: Sendable {
  package var command: [String]
  /// nil: the pod's only, or first, container.
  package var container: String?
  package var hasInput = false
  package var hasTerminal = false

  package init(_ command: [String], container: String? = nil, hasInput: Bool = false, hasTerminal: Bool = false) {
    self.command = command
    self.container = container
    self.hasInput = hasInput
    self.hasTerminal = hasTerminal
  }

  var items: [(String, String)] {
    var items = command.map { ("command", $0) }
    if let container { items.append(("container", container)) }
    items += [("stdin", "\(hasInput)"), ("stdout", "true"), ("stderr", "\(!hasTerminal)"), ("tty", "\(hasTerminal)")]
    return items
  }
}

extension KubeClient {
  private static var pods: KubeResource { KubeResource("", "v1", "pods", kind: "Pod") }
  private static var protocolName: String { "v5.channel.k8s.io" }
  private static var frameBytes: Int { 1 << 20 }

  /// What a container writes to its output.
  ///
  /// - Parameters:
  ///   - follow: goes on while it runs.
  ///   - tail: so many lines of what was written before; nil: all.
  package func logs(
    _ pod: String, in namespace: String, container: String? = nil, follow: Bool = false, tail: Int? = nil
  ) async throws(KubeError) -> KubeBody {
    var items = [("follow", "\(follow)")]
    if let container { items.append(("container", container)) }
    if let tail { items.append(("tailLines", "\(tail)")) }
    let path = try Self.pods.path(namespace: namespace, name: pod, subresource: "log")
    return try await server.stream(request(.GET, path + URLText.query(items)))
  }

  /// Runs a program in a container.
  ///
  /// - Parameter body: reads what it writes, to its end. When it returns or throws, the connection is closed, which ends the program.
  /// - Throws: ``KubeError``, and what `body` throws.
  package func exec<Value: Sendable>(
    _ pod: String, in namespace: String, _ wanted: ExecRequest, _ body: (inout ExecSession) async throws -> Value
  ) async throws -> Value {
    let path = try Self.pods.path(namespace: namespace, name: pod, subresource: "exec") + URLText.query(wanted.items)
    let frames = try await open(path)
    return try await frames.executeThenClose { inbound, outbound in
      var session = ExecSession(inbound, outbound)
      return try await body(&session)
    }
  }

  private enum Upgrade: Sendable {
    case open(ExecSession.Frames)
    case refused
  }

  private func open(_ path: String) async throws -> ExecSession.Frames {
    var (headers, tls) = try await server.handshake(impersonation)
    let address: KubeAddress
    do { address = try KubeAddress(server.endpoint) } catch { throw KubeError(invalid: error.message) }
    headers.add(name: "host", value: "\(address.name):\(address.port)")
    headers.add(name: "sec-websocket-protocol", value: Self.protocolName)
    tls.applicationProtocols = ["http/1.1"]
    let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: address.path + path, headers: headers)
    let context = address.isTLS ? try NIOSSLContext(configuration: tls) : nil
    let refusal = RefusedUpgrade()
    let result: EventLoopFuture<Upgrade>
    do {
      result = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connectTimeout(TimeAmount(server.limits.connectTimeout))
        .connect(host: address.host, port: address.port) { [frameBytes = Self.frameBytes] channel in
          channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            if let context {
              try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: IPAddress(address.name) == nil ? address.name : nil))
            }
            let upgrader = NIOTypedWebSocketClientUpgrader<Upgrade>(maxFrameSize: frameBytes) { channel, _ in
              channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(
                  NIOWebSocketFrameAggregator(minNonFinalFragmentSize: 1, maxAccumulatedFrameCount: 1_024, maxAccumulatedFrameSize: frameBytes))
                return .open(try NIOAsyncChannel(wrappingChannelSynchronously: channel))
              }
            }
            let configuration = NIOTypedHTTPClientUpgradeConfiguration<Upgrade>(upgradeRequestHead: head, upgraders: [upgrader]) { channel in
              channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(RefusalReader(refusal))
                return .refused
              }
            }
            return try pipeline.configureUpgradableHTTPClientPipeline(
              configuration: NIOUpgradableHTTPClientPipelineConfiguration(upgradeConfiguration: configuration))
          }
        }
    } catch {
      throw KubeError(.unreachable, "the API server \(server.endpoint.url) cannot be reached")
    }
    do {
      switch try await result.get() {
      case .open(let frames): return frames
      case .refused: throw await refusal.error()
      }
    } catch let error as KubeError {
      throw error
    } catch {
      throw KubeError(.unreachable, "the connection with the API server \(server.endpoint.url) broke off")
    }
  }
}
