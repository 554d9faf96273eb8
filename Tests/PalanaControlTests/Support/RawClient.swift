import NIOCore
import NIOPosix

/// A connection that says exactly what it is told, for what no well-behaved client says.
struct RawClient: Sendable {
  typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  /// Opens a TCP connection, sends `text`, returns everything until the other side closes.
  static func exchange(port: Int, _ text: String) async throws -> String {
    try await use(try await connect(port: port)) { inbound, outbound in
      try await outbound.write(ByteBuffer(string: text))
      return try await all(inbound)
    }
  }

  static func connect(port: Int) async throws -> Connection {
    try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
      }
  }

  static func connect(socket: String) async throws -> Connection {
    try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(unixDomainSocketPath: socket) { channel in
        channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
      }
  }

  static func use<Value: Sendable>(
    _ connection: Connection,
    _ body: (NIOAsyncChannelInboundStream<ByteBuffer>, NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws -> Value
  ) async throws -> Value {
    try await connection.executeThenClose { inbound, outbound in try await body(inbound, outbound) }
  }

  /// Everything until the other side closes, or resets, the connection.
  static func all(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async throws -> String {
    var text = ""
    do { for try await piece in inbound { text += String(buffer: piece) } } catch is IOError { return text }
    return text
  }
}
