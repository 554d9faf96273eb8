import Crypto
import Foundation
import NIOCore
import NIOPosix
import PalanaCore

@testable import PalanaKube

/// The other end of an exec, byte for byte: switches to a websocket and sends what a test says in the same breath, as a proxy may.
enum RawContainer {
  /// - Parameters:
  ///   - bytes: what follows the switch, in the same packet.
  ///   - closes: whether that is all.
  static func run<Value: Sendable>(
    _ bytes: [UInt8], closes: Bool = false, _ body: (KubeClient) async throws -> Value
  ) async throws -> Value {
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Switcher(bytes, closes)) }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let server = try KubeServer(KubeEndpoint(url: "http://127.0.0.1:\(listener.localAddress?.port ?? 0)"))
    do {
      let value = try await body(KubeClient(server, fieldManager: "tests"))
      try? await listener.close()
      await server.close()
      return value
    } catch {
      try? await listener.close()
      await server.close()
      throw error
    }
  }

  /// A frame of a server (RFC 6455 §5.2) with a channel's number and a text.
  static func frame(_ number: UInt8, _ text: String) -> [UInt8] {
    let length = text.utf8.count + 1
    return [0x82] + (length < 126 ? [UInt8(length)] : [126, UInt8(length >> 8), UInt8(length & 255)]) + [number] + text.utf8
  }
}

private final class Switcher: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let bytes: [UInt8]
  private let closes: Bool
  private var heard = ""
  private var isDone = false

  init(_ bytes: [UInt8], _ closes: Bool) {
    self.bytes = bytes
    self.closes = closes
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    heard += String(buffer: unwrapInboundIn(data))
    guard !isDone, heard.contains("\r\n\r\n") else { return }
    isDone = true
    let field = heard.split(separator: "\r\n").first { $0.lowercased().hasPrefix("sec-websocket-key:") } ?? ""
    let key = field.drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces)
    let digest = Insecure.SHA1.hash(data: Data((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
    let head =
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
      + "sec-websocket-accept: \(Data(digest).base64EncodedString())\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n\r\n"
    let written = context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: head.utf8 + bytes)))
    guard closes else { return }
    let channel = context.channel
    written.whenComplete { _ in channel.close(promise: nil) }
  }
}
