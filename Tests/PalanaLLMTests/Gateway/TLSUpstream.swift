import Crypto
import Foundation
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix
import NIOSSL
import PalanaCore
import SwiftASN1
import Synchronization
import X509

/// A provider as providers are: behind TLS, with HTTP/2 or without. It answers every chat.
final class TLSUpstream: Sendable {
  struct Request: Sendable {
    var version: HTTPVersion
    var credential: String
    var body: String
  }

  private struct Seen {
    var requests: [Request] = []
    var connections = 0
  }

  /// A file with the certificate that it shows.
  let certificateFile: String
  private let seen: SeenBox
  private let channel: any Channel

  var url: String { "https://127.0.0.1:\(channel.localAddress?.port ?? 0)" }
  var requests: [Request] { seen.value.withLock { $0.requests } }
  var connections: Int { seen.value.withLock { $0.connections } }

  private final class SeenBox: Sendable { let value = Mutex(Seen()) }

  private init(_ channel: any Channel, _ seen: SeenBox, _ certificateFile: String) {
    self.channel = channel
    self.seen = seen
    self.certificateFile = certificateFile
  }

  /// Runs while `body` does.
  ///
  /// - Parameter protocols: what it offers (RFC 7301), the best first.
  static func run(_ protocols: [String], _ body: (TLSUpstream) async throws -> Void) async throws {
    let (certificate, key) = try selfSigned()
    var tls = TLSConfiguration.makeServerConfiguration(
      certificateChain: [.certificate(try NIOSSLCertificate(bytes: Array(certificate.utf8), format: .pem))],
      privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem)))
    tls.applicationProtocols = protocols
    let context = try NIOSSLContext(configuration: tls)
    let seen = SeenBox()
    let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        seen.value.withLock { $0.connections += 1 }
        return channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
        }.flatMap {
          channel.configureCommonHTTPServerPipeline { channel in
            channel.eventLoop.makeCompletedFuture {
              try channel.pipeline.syncOperations.addHandler(
                Responder { request in seen.value.withLock { $0.requests.append(request) } })
            }
          }
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let file = FileManager.default.temporaryDirectory.appending(path: "palana-llm-\(RandomToken.hex(bytes: 6)).pem").path()
    try Data(certificate.utf8).write(to: URL(fileURLWithPath: file))
    defer { try? FileManager.default.removeItem(atPath: file) }
    let result: Result<Void, any Error>
    do { result = .success(try await body(TLSUpstream(server, seen, file))) } catch { result = .failure(error) }
    try await server.close()
    try result.get()
  }

  private static func selfSigned() throws -> (certificate: String, key: String) {
    let own = P256.Signing.PrivateKey()
    let key = Certificate.PrivateKey(own)
    let subject = try DistinguishedName { CommonName("a provider") }
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey, notValidBefore: Date(timeIntervalSinceNow: -3600),
      notValidAfter: Date(timeIntervalSinceNow: 3600), issuer: subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions { SubjectAlternativeNames([.ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1]))]) },
      issuerPrivateKey: key)
    return (try certificate.serializeAsPEM().pemString, own.pemRepresentation)
  }

  /// Answers with a completion, or with a stream of two words.
  private final class Responder: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let note: @Sendable (Request) -> Void
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()

    init(_ note: @escaping @Sendable (Request) -> Void) { self.note = note }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head):
        self.head = head
        body.clear()
      case .body(let bytes): body.writeImmutableBuffer(bytes)
      case .end: if let head { answer(head, String(buffer: body), context) }
      }
    }

    private func answer(_ head: HTTPRequestHead, _ body: String, _ context: ChannelHandlerContext) {
      note(Request(version: head.version, credential: head.headers.first(name: "authorization") ?? "", body: body))
      let isStream = body.contains(#""stream":true"#)
      let fields = HTTPHeaders([("content-type", isStream ? "text/event-stream" : "application/json")])
      context.write(wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: .ok, headers: fields))), promise: nil)
      let pieces =
        isStream
        ? ["one", "two"].map { "data: {\"choices\":[{\"delta\":{\"content\":\"\($0)\"}}]}\n\n" } + [GatewayStreamTests.done]
        : [GatewayCallTests.completion()]
      for piece in pieces { context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: piece)))), promise: nil) }
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
  }
}
