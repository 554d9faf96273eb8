import NIOCore
import NIOHTTP1
import NIOPosix
import PalanaCore
import PalanaSecrets
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// An HTTP server on a Unix socket that answers as a test says.
final class ScriptedServer: Sendable {
  struct Request: Sendable {
    var method: String
    var path: String
    var token: String?
    var body: String
  }
  enum Reply: Sendable {
    case answer(UInt, String, headers: [(String, String)] = [])
    case silence
    /// A head that promises more bytes than ever come.
    case trickle
    case hangUp
  }

  typealias Script = @Sendable (Request) -> Reply
  private let seen = Mutex<[Request]>([])
  private let channel: any Channel
  let path: String

  var requests: [Request] { seen.withLock { $0 } }

  static func with<Value>(
    timeout: Duration = .seconds(20), script: @escaping Script,
    body: (ScriptedServer, VaultServer) async throws -> Value
  ) async throws -> Value {
    let path = "/tmp/secrets-test-\(RandomToken.hex(bytes: 6)).sock"
    let server = try await ScriptedServer(path, script)
    let client = try VaultServer(
      address: .socket(path), limits: VaultLimits(timeout: timeout))
    let result: Result<Value, any Error>
    do { result = .success(try await body(server, client)) } catch { result = .failure(error) }
    await client.close()
    try await server.channel.close()
    _ = unsafe unlink(path)
    return try result.get()
  }

  private init(_ path: String, _ script: @escaping Script) async throws {
    self.path = path
    let handlers = Mutex<[@Sendable (Request) -> Void]>([])
    let bound = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(
            Handler { request in
              for handler in handlers.withLock({ $0 }) { handler(request) }
              return script(request)
            })
        }
      }
      .bind(unixDomainSocketPath: path).get()
    channel = bound
    handlers.withLock { $0.append { request in self.seen.withLock { $0.append(request) } } }
  }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let script: Script
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()

    init(_ script: @escaping Script) { self.script = script }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head):
        self.head = head
        body.clear()
      case .body(var part): body.writeBuffer(&part)
      case .end: reply(context)
      }
    }

    private func reply(_ context: ChannelHandlerContext) {
      guard let head else { return }
      let request = Request(
        method: head.method.rawValue, path: head.uri, token: head.headers.first(name: "x-vault-token"),
        body: String(buffer: body))
      // As every real server does (RFC 9112 §3.2).
      guard head.headers["host"].count == 1 else {
        context.close(promise: nil)
        return
      }
      switch script(request) {
      case .silence: return
      case .trickle:
        let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["content-length": "1000"])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: "{")))), promise: nil)
      case .hangUp: context.close(promise: nil)
      case .answer(let status, let text, let headers):
        var fields = HTTPHeaders(headers)
        fields.add(name: "content-length", value: "\(text.utf8.count)")
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: Int(status)), headers: fields)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
      }
    }
  }
}
