import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A server whose connections follow a script, and that remembers every byte it received.
final class Upstream: Sendable {
  typealias Script = @Sendable (inout Wire, Upstream) async throws -> Void

  let port: UInt16
  private let listener: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>
  private let script: Script
  private let state = Mutex(State())

  private struct State {
    var connections = 0
    var open = 0
    var requests: [String] = []
  }

  /// - Parameter onlyHTTP2: whether a client that does not offer HTTP/2 is turned away in the handshake.
  init(tls: NIOSSLContext?, address: String = "127.0.0.1", onlyHTTP2: Bool = false, script: @escaping Script) async throws {
    self.script = script
    listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .bind(host: address, port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          if onlyHTTP2 { try channel.pipeline.syncOperations.addHandler(HTTP2Door()) }
          if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
          return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
        }
      }
    port = UInt16(listener.channel.localAddress?.port ?? 0)
  }

  /// Connections so far.
  var connections: Int { state.withLock { $0.connections } }
  /// Connections at this moment.
  var open: Int { state.withLock { $0.open } }
  /// The request heads so far.
  var requests: [String] { state.withLock { $0.requests } }
  func note(_ request: String) { state.withLock { $0.requests.append(request) } }

  func run() async {
    try? await listener.executeThenClose { inbound in
      await withDiscardingTaskGroup { group in
        do {
          for try await connection in inbound {
            state.withLock {
              $0.connections += 1
              $0.open += 1
            }
            group.addTask { [self] in
              defer { state.withLock { $0.open -= 1 } }
              try? await connection.executeThenClose { input, output in
                var wire = Wire(connection.channel, input, output)
                try await script(&wire, self)
              }
            }
          }
        } catch {}
        group.cancelAll()
      }
    }
  }

  /// Answers every request on a connection with what it received: the head as the body. Bodies are read and dropped.
  static let echo: Script = { wire, upstream in
    while let head = try await wire.head() {
      upstream.note(head)
      let request = Response(head)
      if request["transfer-encoding"] == "chunked" { _ = try await wire.discardChunks() }
      if let length = request["content-length"].flatMap({ Int($0) }) { _ = try await wire.discard(length) }
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: \(head.utf8.count)\r\nx-up: 1\r\n\r\n\(head)")
    }
  }

  /// Answers with fixed bytes after each head.
  static func fixed(_ answer: String) -> Script {
    { wire, upstream in
      while let head = try await wire.head() {
        upstream.note(head)
        try await wire.send(answer)
      }
    }
  }
}

/// Turns TLS clients away that do not offer `h2`, with the alert `no_application_protocol` (RFC 7301 §3.2), as servers that speak
/// nothing else do.
final class HTTP2Door: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private static let offer: [UInt8] = [2, UInt8(ascii: "h"), UInt8(ascii: "2")]

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let hello = Array(buffer: unwrapInboundIn(data))
    guard hello.indices.contains(where: { hello[$0...].starts(with: Self.offer) }) else {
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: [21, 3, 3, 0, 2, 2, 120])), promise: nil)
      return context.close(promise: nil)
    }
    context.fireChannelRead(data)
    context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
  }
}
