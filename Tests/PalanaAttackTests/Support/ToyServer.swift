import NIOCore
import NIOPosix
import PalanaCore

@testable import PalanaAttack

/// Somebody at the other end of an attack, over TCP and UDP at one port of this machine.
struct ToyServer: Sendable {
  /// How it takes what it gets.
  enum Manner: Sendable {
    /// Opens every tunnel, answers every request, shakes every hand.
    case permissive
    /// Refuses everything as the gateway does, and closes.
    case strict
    /// Answers everything with this text.
    case says(String)
    /// Closes at once.
    case closes
    /// Takes everything and says nothing.
    case silent
  }

  let port: Int

  /// Runs `body` while a server of this manner listens.
  static func with<Value: Sendable>(_ manner: Manner, _ body: (ToyServer) async throws -> Value) async throws -> Value {
    let group = MultiThreadedEventLoopGroup.singleton
    let stream = try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 256)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(StreamHandler(manner)) }
      }.bind(host: "127.0.0.1", port: 0).get()
    let port = stream.localAddress?.port ?? 0
    let datagram = try await DatagramBootstrap(group: group)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(DatagramHandler(manner)) }
      }.bind(host: "127.0.0.1", port: port).get()
    let result: Result<Value, any Error>
    do { result = .success(try await body(ToyServer(port: port))) } catch { result = .failure(error) }
    try await stream.close()
    try await datagram.close()
    return try result.get()
  }

  /// A job whose gateway is this server.
  var job: AttackJob {
    AttackJob(
      run: "0123abcd", agent: "demo", token: Redacted("token-of-the-toy"), gateway: "127.0.0.1", proxyPort: port, isTransparent: true,
      controlPort: 7180, neighbours: ["10.77.0.9"], machine: ["192.168.7.7"])
  }

  /// The same attack on this server, wherever it was to go.
  func aimed(_ probe: Probe) -> Probe? {
    let here = Endpoint("127.0.0.1", port)
    return switch probe {
    case .stream(_, let bytes, let ends): .stream(here, bytes, ends: ends)
    case .datagram(_, let bytes): .datagram(here, bytes)
    case .ping: nil
    }
  }

  static let refusal =
    "HTTP/1.1 400 Bad Request (malformed_request)\r\ncontent-length: 60\r\nconnection: close\r\n\r\n"
    + #"{"error":"egress_denied","reason":"malformed_request"      }"#
}

private final class StreamHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let manner: ToyServer.Manner
  private var hasAnswered = false

  init(_ manner: ToyServer.Manner) { self.manner = manner }

  func channelActive(context: ChannelHandlerContext) {
    if case .closes = manner { context.close(promise: nil) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    guard !hasAnswered else { return }
    hasAnswered = true
    switch manner {
    case .permissive:
      context.writeAndFlush(NIOAny(ByteBuffer(bytes: Self.welcome(Array(buffer.readableBytesView)))), promise: nil)
    case .strict:
      context.writeAndFlush(NIOAny(ByteBuffer(string: ToyServer.refusal)), promise: nil)
      context.close(promise: nil)
    case .says(let text): context.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
    case .closes, .silent: break
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private static func welcome(_ bytes: [UInt8]) -> [UInt8] {
    // A handshake record for TLS, an answer with a record for a question of DNS, else success.
    if bytes.first == 22 || bytes.first == 0x80 { return [22, 3, 3, 0, 4, 2, 0, 0, 0] }
    if bytes.count > 4, bytes[2] == 0x70, bytes[3] == 0x61 { return DNSQuestion.framed(DatagramHandler.answer) }
    return Array("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".utf8)
  }
}

private final class DatagramHandler: ChannelInboundHandler {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>
  static let answer: [UInt8] = [0x70, 0x61, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]
  private let manner: ToyServer.Manner

  init(_ manner: ToyServer.Manner) { self.manner = manner }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .permissive = manner else { return }
    let envelope = unwrapInboundIn(data)
    context.writeAndFlush(
      NIOAny(AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: Self.answer))), promise: nil)
  }
}
