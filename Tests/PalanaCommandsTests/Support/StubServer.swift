import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// What a request was.
struct StubRequest: Sendable {
  var method: String
  /// Path with its query.
  var uri: String
  var headers: [String: String]
  var body: [UInt8] = []

  var text: String { String(decoding: body, as: UTF8.self) }
  var path: String { String(uri.prefix { $0 != "?" }) }
}

/// One request with its answer, in the hands of a test.
struct StubExchange {
  let request: StubRequest
  fileprivate let nextPart: nonisolated(nonsending) () async throws -> HTTPServerRequestPart?
  fileprivate let writer: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>

  /// The next piece of the request's body; nil at its end.
  func next() async throws -> [UInt8]? {
    guard case .body(let buffer)? = try await nextPart() else { return nil }
    return Array(buffer.readableBytesView)
  }

  func begin(_ status: Int = 200, type: String = "application/json") async throws {
    let head = HTTPResponseHead(
      version: .http1_1, status: .init(statusCode: status),
      headers: ["content-type": type, "transfer-encoding": "chunked"])
    try await writer.write(.head(head))
  }

  func write(_ bytes: [UInt8]) async throws { try await writer.write(.body(.byteBuffer(ByteBuffer(bytes: bytes)))) }
  func end() async throws { try await writer.write(.end(nil)) }

  func reply(_ status: Int = 200, _ text: String, type: String = "application/json") async throws {
    try await begin(status, type: type)
    try await write(Array(text.utf8))
    try await end()
  }
}

/// An HTTP server on a Unix socket that answers as the test says, and remembers what it was asked.
final class StubServer: Sendable {
  typealias Handler = @Sendable (StubExchange) async throws -> Void
  private let log = Mutex<[StubRequest]>([])

  var requests: [StubRequest] { log.withLock { $0 } }

  /// Runs `body` while a server listens on `HOME/run/control.sock` of a new home.
  /// - Parameter streaming: paths whose body the handler reads itself; others are complete when the handler is called.
  static func with<Value: Sendable>(
    home: TemporaryFolder, streaming: Set<String> = [], _ handler: @escaping Handler,
    _ body: @Sendable (StubServer) async throws -> Value
  ) async throws -> Value {
    let stub = StubServer()
    try FileManager.default.createDirectory(atPath: home.path + "/run", withIntermediateDirectories: true)
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(unixDomainSocketPath: home.path + "/run/control.sock", cleanupExistingSocketFile: true) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
          return try NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>(
            wrappingChannelSynchronously: channel)
        }
      }
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await server.executeThenClose { connections in
          try await withThrowingDiscardingTaskGroup { connectionsGroup in
            for try await connection in connections {
              connectionsGroup.addTask { try? await stub.serve(connection, streaming, handler) }
            }
          }
        }
      }
      defer { group.cancelAll() }
      return try await body(stub)
    }
  }

  private func serve(
    _ connection: NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>,
    _ streaming: Set<String>, _ handler: Handler
  ) async throws {
    try await connection.executeThenClose { inbound, outbound in
      var iterator = inbound.makeAsyncIterator()
      while case .head(let head)? = try await iterator.next(isolation: #isolation) {
        var headers: [String: String] = [:]
        for (name, value) in head.headers { headers[name.lowercased()] = value }
        var request = StubRequest(method: head.method.rawValue, uri: head.uri, headers: headers)
        var ended = false
        if !streaming.contains(request.path) {
          while case .body(let buffer)? = try await iterator.next(isolation: #isolation) {
            request.body += Array(buffer.readableBytesView)
          }
          ended = true
        }
        log.withLock { $0.append(request) }
        let exchange = StubExchange(
          request: request,
          nextPart: {
            guard !ended else { return nil }
            let part = try await iterator.next(isolation: #isolation)
            if case .body? = part {} else { ended = true }
            return part
          }, writer: outbound)
        try await handler(exchange)
        // A client that stops early closes the connection; one that does not sends its end.
        while !ended, case .body? = try await iterator.next(isolation: #isolation) {}
      }
    }
  }
}

/// A folder that goes away with its owner.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "pcli-" + String(UInt64.random(in: 0...UInt64.max), radix: 36)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  init(in parent: String, named name: String) throws {
    path = parent + "/" + name
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file below it and returns its path.
  func write(_ name: String, _ text: String) throws -> String {
    let file = path + "/" + name
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try text.write(toFile: file, atomically: false, encoding: .utf8)
    return file
  }

  func read(_ name: String) -> String? { try? String(contentsOfFile: path + "/" + name, encoding: .utf8) }
}
