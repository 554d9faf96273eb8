import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A server that has models, as a test writes it: what came is kept byte for byte, what is answered is the test's to say.
final class TestUpstream: Sendable {
  struct Request: Sendable {
    var head: HTTPRequestHead
    var body: String
    /// Of the gateway's end: which connection it came on.
    var port: Int

    func field(_ name: String) -> String? { head.headers.first(name: name) }
  }

  /// Writes one answer.
  struct Answer: Sendable {
    fileprivate let writer: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    fileprivate let channel: any Channel

    func whole(_ status: HTTPResponseStatus = .ok, _ fields: [(String, String)] = [], _ body: String) async throws {
      let fields = HTTPHeaders(
        [("content-type", "application/json"), ("content-length", "\(body.utf8.count)")].filter { one in
          !fields.contains { $0.0 == one.0 }
        } + fields)
      try await writer.write(.head(HTTPResponseHead(version: .http1_1, status: status, headers: fields)))
      try await writer.write(.body(.byteBuffer(ByteBuffer(string: body))))
      try await writer.write(.end(nil))
    }

    func beginStream(_ fields: [(String, String)] = []) async throws {
      let fields = HTTPHeaders([("content-type", "text/event-stream; charset=utf-8")] + fields)
      try await writer.write(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: fields)))
    }

    func send(_ text: String) async throws { try await writer.write(.body(.byteBuffer(ByteBuffer(string: text)))) }
    func end() async throws { try await writer.write(.end(nil)) }

    /// Closes the connection behind what was written.
    func close() async throws { try await channel.close() }

    /// Breaks off: a reset, not an end.
    func reset() async throws {
      try await (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
      try await channel.close()
    }

    /// Returns when the other side has gone.
    func gone() async throws { try await channel.closeFuture.get() }
  }

  typealias Handler = @Sendable (Request, Answer) async throws -> Void

  private let seen = Mutex<[Request]>([])
  private let handler: Handler
  let port: Int
  private let server: NIOAsyncChannel<NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>, Never>

  /// Everything that came, in order.
  var requests: [Request] { seen.withLock { $0 } }
  var url: String { "http://127.0.0.1:\(port)" }

  private init(
    _ server: NIOAsyncChannel<NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>, Never>, _ handler: @escaping Handler
  ) {
    self.server = server
    self.handler = handler
    port = server.channel.localAddress?.port ?? 0
  }

  /// Runs while `body` does.
  static func run<Value: Sendable>(
    _ handler: @escaping Handler, _ body: @Sendable (TestUpstream) async throws -> Value
  ) async throws -> Value {
    let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          return try NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>(wrappingChannelSynchronously: channel)
        }
      }
    let upstream = TestUpstream(server, handler)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await upstream.serve() }
      defer { group.cancelAll() }
      return try await body(upstream)
    }
  }

  private func serve() async throws {
    try await server.executeThenClose { connections in
      try await withThrowingDiscardingTaskGroup { group in
        for try await connection in connections { group.addTask { try? await self.serve(connection) } }
      }
    }
  }

  private func serve(_ connection: NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>) async throws {
    try await connection.executeThenClose { inbound, outbound in
      var head: HTTPRequestHead?
      var body = ByteBuffer()
      for try await part in inbound {
        switch part {
        case .head(let begun):
          head = begun
          body.clear()
        case .body(let bytes): body.writeImmutableBuffer(bytes)
        case .end:
          guard let head else { return }
          let request = Request(
            head: head, body: String(buffer: body), port: connection.channel.remoteAddress?.port ?? 0)
          seen.withLock { $0.append(request) }
          try await handler(request, Answer(writer: outbound, channel: connection.channel))
        }
      }
    }
  }
}
