import NIOCore
import NIOHTTP1
import NIOPosix

/// An agent's program: one connection to the gateway, from an address of its own.
struct TestAgent: Sendable {
  struct Answer: Sendable {
    var status: Int
    var fields: HTTPHeaders
    var body: String
    /// Whether it came to its end.
    var isWhole: Bool
  }

  /// An answer that is read piece by piece.
  struct Reader {
    fileprivate var parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator
    let channel: any Channel

    mutating func head(isolation: isolated (any Actor)? = #isolation) async throws -> HTTPResponseHead {
      guard case .head(let head)? = try await parts.next(isolation: isolation) else { throw ChannelError.eof }
      return head
    }

    /// The next piece of the body; nil at its end.
    mutating func piece(isolation: isolated (any Actor)? = #isolation) async throws -> String? {
      while let part = try await parts.next(isolation: isolation) {
        switch part {
        case .body(let bytes): return String(buffer: bytes)
        case .end: return nil
        case .head: continue
        }
      }
      throw ChannelError.eof
    }
  }

  let port: Int
  var address = "127.0.0.1"

  /// Sends one request and reads its answer to the end.
  func post(_ path: String, _ body: String, _ fields: [(String, String)] = [], method: HTTPMethod = .POST) async throws -> Answer {
    try await open(path, body, fields, method: method) { reader in
      let head = try await reader.head()
      var answer = Answer(status: Int(head.status.code), fields: head.headers, body: "", isWhole: false)
      do {
        while let piece = try await reader.piece() { answer.body += piece }
        answer.isWhole = true
      } catch is ChannelError {
      } catch is IOError {}
      return answer
    }
  }

  /// Sends one request and lets `body` read the answer; the connection ends with it.
  func open<Value: Sendable>(
    _ path: String, _ text: String, _ fields: [(String, String)] = [], method: HTTPMethod = .POST,
    _ read: (inout Reader) async throws -> Value
  ) async throws -> Value {
    let connection = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .bind(to: SocketAddress(ipAddress: address, port: 0))
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
          return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(wrappingChannelSynchronously: channel)
        }
      }
    return try await connection.executeThenClose { inbound, outbound in
      let fields = HTTPHeaders(
        [("host", "gateway"), ("content-type", "application/json"), ("content-length", "\(text.utf8.count)")] + fields)
      try await outbound.write(.head(HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: fields)))
      if !text.isEmpty { try await outbound.write(.body(.byteBuffer(ByteBuffer(string: text)))) }
      try await outbound.write(.end(nil))
      var reader = Reader(parts: inbound.makeAsyncIterator(), channel: connection.channel)
      return try await read(&reader)
    }
  }
}
