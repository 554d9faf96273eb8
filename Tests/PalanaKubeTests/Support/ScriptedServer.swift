import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import PalanaCore
import SwiftASN1
import Synchronization
import X509

@testable import PalanaKube

/// An HTTP server on this machine that answers as a test says and remembers what it was asked.
final class ScriptedServer: Sendable {
  struct Request: Sendable {
    var method: HTTPMethod
    var path: String
    var headers: HTTPHeaders
    var body: String
    /// The subject of the client's certificate.
    var peer: String?
  }

  struct Answer: Sendable {
    var status = 200
    var headers: [(String, String)] = []
    /// The pieces of the body, each sent by itself.
    var pieces: [String] = []
    /// Whether the connection stays open after them, without an end.
    var staysOpen = false
    /// Whether the connection is closed before the body's end.
    var breaksOff = false
    /// Whether there is no answer at all.
    var hangs = false
    /// How often the last piece comes again, each time only when the one before has gone out.
    var repeats = 0
    /// The time before it.
    var pause = TimeAmount.zero
    /// The time before each of its pieces.
    var drip = TimeAmount.zero

    static func json(_ text: String, status: Int = 200) -> Answer { Answer(status: status, pieces: [text]) }
    static func lines(_ lines: String..., staysOpen: Bool = false) -> Answer {
      Answer(pieces: lines.map { $0 + "\n" }, staysOpen: staysOpen)
    }
  }

  typealias Script = @Sendable (Int, Request) -> Answer

  let port: Int
  private let scheme: String
  private let listener: any Channel
  private let state: Shared

  final class Shared: Sendable {
    let requests = Mutex<[Request]>([])
    /// Pieces that a repeating answer has sent.
    let repeated = Mutex(0)
    let script: Script
    init(script: @escaping Script) { self.script = script }
  }

  private init(_ listener: any Channel, _ state: Shared, _ scheme: String) {
    self.listener = listener
    self.scheme = scheme
    self.state = state
    port = listener.localAddress?.port ?? 0
  }

  var requests: [Request] { state.requests.withLock { $0 } }
  var paths: [String] { requests.map(\.path) }
  var repeated: Int { state.repeated.withLock { $0 } }

  /// Runs `body` against a server; `script` gets the number of the request, from 0.
  static func run<Value>(
    tls: TLSConfiguration? = nil, _ script: @escaping Script, _ body: (ScriptedServer) async throws -> Value
  ) async throws -> Value {
    let state = Shared(script: script)
    let context = try tls.map { try NIOSSLContext(configuration: $0) }
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let context { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context)) }
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(Answerer(state))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let server = ScriptedServer(listener, state, tls == nil ? "http" : "https")
    do {
      let value = try await body(server)
      try? await listener.close()
      return value
    } catch {
      try? await listener.close()
      throw error
    }
  }

  func endpoint(_ authentication: KubeAuthentication = .none) -> KubeEndpoint {
    KubeEndpoint(url: "\(scheme)://127.0.0.1:\(port)", authentication: authentication)
  }

  /// A client of it, closed after `body`.
  func client<Value>(
    _ authentication: KubeAuthentication = .none, limits: KubeLimits = KubeLimits(), _ body: (KubeClient) async throws -> Value
  ) async throws -> Value {
    let server = try KubeServer(endpoint(authentication), limits: limits)
    let client = KubeClient(server, fieldManager: "tests")
    do {
      let value = try await body(client)
      await server.close()
      return value
    } catch {
      await server.close()
      throw error
    }
  }
}

final class Answerer: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let state: ScriptedServer.Shared
  private var request: ScriptedServer.Request?
  private var repeating = ScriptedServer.Answer()

  init(_ state: ScriptedServer.Shared) { self.state = state }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      request = .init(method: head.method, path: head.uri, headers: head.headers, body: "", peer: Self.peer(context))
    case .body(let bytes): request?.body += String(buffer: bytes)
    case .end:
      guard let request else { return }
      let number = state.requests.withLock { requests in
        requests.append(request)
        return requests.count - 1
      }
      let answer = state.script(number, request)
      guard answer.pause > .zero else { return self.answer(answer, context) }
      context.eventLoop.assumeIsolated().scheduleTask(in: answer.pause) { self.answer(answer, context) }
    }
  }

  private static func peer(_ context: ChannelHandlerContext) -> String? {
    guard let leaf = try? context.pipeline.syncOperations.nioSSL_peerCertificate(), let bytes = try? leaf.toDERBytes() else { return nil }
    return (try? Certificate(derEncoded: bytes))?.subject.description
  }

  private func drip(_ answer: ScriptedServer.Answer, _ context: ChannelHandlerContext) {
    guard context.channel.isActive else { return }
    var rest = answer
    rest.pieces.removeFirst()
    context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.pieces.first ?? "")))), promise: nil)
    if rest.pieces.isEmpty {
      if !answer.staysOpen { context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil) }
    } else {
      context.eventLoop.assumeIsolated().scheduleTask(in: answer.drip) { self.drip(rest, context) }
    }
  }

  private func answer(_ answer: ScriptedServer.Answer, _ context: ChannelHandlerContext) {
    if answer.hangs { return }
    var head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: answer.status))
    for (name, value) in answer.headers { head.headers.add(name: name, value: value) }
    context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
    if answer.drip > .zero, !answer.pieces.isEmpty { return drip(answer, context) }
    for piece in answer.pieces { context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: piece)))), promise: nil) }
    if answer.breaksOff { return context.close(promise: nil) }
    if answer.repeats > 0 {
      repeating = answer
      return go(on: context)
    }
    if !answer.staysOpen { context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil) }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    go(on: context)
    context.fireChannelWritabilityChanged()
  }

  private func go(on context: ChannelHandlerContext) {
    guard repeating.repeats > 0, let piece = repeating.pieces.last else { return }
    while context.channel.isWritable, repeating.repeats > 0 {
      repeating.repeats -= 1
      state.repeated.withLock { $0 += 1 }
      context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: piece)))), promise: nil)
    }
    if repeating.repeats == 0, !repeating.staysOpen { context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil) }
  }
}
