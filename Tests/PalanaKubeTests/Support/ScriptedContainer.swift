import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import PalanaCore
import Synchronization

@testable import PalanaKube

/// An API server with one container, in which every program does what a test says: the other end of `v5.channel.k8s.io`.
final class ScriptedContainer: Sendable {
  enum Answer: Sendable {
    /// It switches; `speaking`: the subprotocol that it says.
    case accepts(speaking: String? = "v5.channel.k8s.io")
    /// It does not accept whom this says no to.
    case acceptsIf(@Sendable (HTTPRequestHead) -> Bool)
  }

  typealias Script = @Sendable (inout Conversation) async throws -> Void
  private typealias Frames = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

  /// One program, as the kubelet sees it.
  struct Conversation {
    fileprivate var inbound: NIOAsyncChannelInboundStream<WebSocketFrame>.AsyncIterator
    fileprivate let outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>
    let channel: any Channel

    func send(_ opcode: WebSocketOpcode, _ bytes: [UInt8], fin: Bool = true) async throws {
      try await outbound.write(WebSocketFrame(fin: fin, opcode: opcode, data: ByteBuffer(bytes: bytes)))
    }

    func say(_ number: UInt8, _ text: String) async throws { try await send(.binary, [number] + text.utf8) }

    func exit(_ code: Int) async throws {
      try await say(
        3,
        code == 0
          ? #"{"kind":"Status","metadata":{},"status":"Success"}"#
          : #"{"kind":"Status","status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"\#(code)"}]}}"#
      )
    }

    /// What the client says next: the channel's number with the text, or the frame's kind; nil at the end.
    mutating func heard() async throws -> String? {
      guard let frame = try await inbound.next(isolation: #isolation) else { return nil }
      var bytes = frame.unmaskedData
      guard frame.maskKey != nil else { return "unmasked" }
      switch frame.opcode {
      case .binary:
        guard let number: UInt8 = bytes.readInteger() else { return "empty" }
        return number == 255 ? "close \(bytes.readableBytesView.map(String.init).joined())" : "\(number) \(String(buffer: bytes))"
      case .pong: return "pong \(String(buffer: bytes))"
      default: return "\(frame.opcode)"
      }
    }
  }

  private enum Upgrade: Sendable {
    case open(Frames)
    case refused
  }

  let port: Int
  private let heads: Heads

  private init(port: Int, _ heads: Heads) {
    self.port = port
    self.heads = heads
  }

  /// What was asked for so far.
  var requests: [HTTPRequestHead] { heads.all }

  /// Runs `body` with a client of the container.
  static func run<Value: Sendable>(
    _ answer: Answer = .accepts(), _ authentication: KubeAuthentication = .none, limits: KubeLimits = KubeLimits(),
    tls: (server: TLSConfiguration, authorities: [UInt8])? = nil, _ script: @escaping Script,
    _ body: (KubeClient, ScriptedContainer) async throws -> Value
  ) async throws -> Value {
    let heads = Heads()
    let context = try tls.map { try NIOSSLContext(configuration: $0.server) }
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          if let context { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context)) }
          return try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
            configuration: .init(upgradeConfiguration: configuration(answer, heads)))
        }
      }
    let container = ScriptedContainer(port: listener.channel.localAddress?.port ?? 0, heads)
    let endpoint = KubeEndpoint(
      url: "\(tls == nil ? "http" : "https")://127.0.0.1:\(container.port)", authorities: tls?.authorities,
      authentication: authentication)
    let server = try KubeServer(endpoint, limits: limits)
    do {
      let value = try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await serve(listener, script) }
        defer { group.cancelAll() }
        return try await body(KubeClient(server, fieldManager: "tests"), container)
      }
      await server.close()
      return value
    } catch {
      await server.close()
      throw error
    }
  }

  private static func serve(_ listener: NIOAsyncChannel<EventLoopFuture<Upgrade>, Never>, _ script: @escaping Script) async throws {
    try await withThrowingDiscardingTaskGroup { group in
      try await listener.executeThenClose { connections in
        for try await connection in connections {
          group.addTask {
            guard case .open(let frames) = try? await connection.get() else { return }
            // That a client went away in the middle is not the container's matter.
            try? await frames.executeThenClose { inbound, outbound in
              var conversation = Conversation(inbound: inbound.makeAsyncIterator(), outbound: outbound, channel: frames.channel)
              try await script(&conversation)
            }
          }
        }
      }
    }
  }

  private static func configuration(_ answer: Answer, _ heads: Heads) -> NIOTypedHTTPServerUpgradeConfiguration<Upgrade> {
    let upgrader = NIOTypedWebSocketServerUpgrader<Upgrade>(
      // Larger than what the client takes.
      maxFrameSize: 8 << 20,
      shouldUpgrade: { channel, head in
        heads.add(head)
        var headers = HTTPHeaders()
        switch answer {
        case .accepts(let name): if let name { headers.add(name: "sec-websocket-protocol", value: name) }
        case .acceptsIf(let isKnown):
          guard isKnown(head) else {
            let fields: HTTPHeaders = ["content-length": "0"]
            channel.write(HTTPServerResponsePart.head(.init(version: .http1_1, status: .unauthorized, headers: fields)), promise: nil)
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
            return channel.eventLoop.makeSucceededFuture(nil)
          }
          headers.add(name: "sec-websocket-protocol", value: "v5.channel.k8s.io")
        }
        return channel.eventLoop.makeSucceededFuture(headers)
      },
      upgradePipelineHandler: { channel, _ in
        channel.eventLoop.makeCompletedFuture { .open(try NIOAsyncChannel(wrappingChannelSynchronously: channel)) }
      })
    return NIOTypedHTTPServerUpgradeConfiguration(upgraders: [upgrader]) { channel in
      channel.eventLoop.makeSucceededFuture(.refused)
    }
  }

  private final class Heads: Sendable {
    private let state = Mutex<[HTTPRequestHead]>([])
    var all: [HTTPRequestHead] { state.withLock { $0 } }
    func add(_ head: HTTPRequestHead) { state.withLock { $0.append(head) } }
  }
}
