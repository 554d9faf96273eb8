import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// The server behind the gateway: logs every byte of every request and answers as the case says whose mark the target has.
public final class CaseUpstream: Sendable {
  /// Answers one request; returns whether the connection goes on.
  typealias Script = @Sendable (Wire, UpstreamLog.Request) async throws -> Bool

  let log = UpstreamLog()
  private let scripts = Mutex<[String: Script]>([:])
  private let listeners: [(port: Int, channel: NIOAsyncChannel<Wire, Never>)]

  /// Listens at the target's address, on every port of ``UpstreamPort``.
  public init(_ target: CaseTarget.Upstream) async throws {
    var listeners: [(port: Int, channel: NIOAsyncChannel<Wire, Never>)] = []
    for port in UpstreamPort.all {
      let tls = try Self.context(port, folder: target.folder)
      let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.allowRemoteHalfClosure, value: true)
        .bind(host: target.address, port: port) { channel in
          channel.eventLoop.makeCompletedFuture {
            let inbox = Inbox()
            if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
            try channel.pipeline.syncOperations.addHandler(inbox)
            return Wire(channel, inbox)
          }
        }
      listeners.append((port, channel))
    }
    self.listeners = listeners
  }

  private static func context(_ port: Int, folder: String) throws -> NIOSSLContext? {
    guard port != UpstreamPort.http else { return nil }
    let name = "\(folder)/\(port)"
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMFile(name + ".pem").map { .certificate($0) },
      privateKey: .privateKey(try NIOSSLPrivateKey(file: name + ".key", format: .pem)))
    configuration.applicationProtocols = ["http/1.1"]
    configuration.shutdownTimeout = .milliseconds(200)
    return try NIOSSLContext(configuration: configuration)
  }

  /// Answers requests with `mark` in their target by `script`.
  func script(_ mark: String, _ script: @escaping Script) { scripts.withLock { $0[mark] = script } }

  /// Serves until the task is cancelled.
  public func run() async {
    await withDiscardingTaskGroup { group in
      for (port, channel) in listeners {
        group.addTask {
          try? await channel.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
              for try await wire in connections {
                group.addTask {
                  try? await self.serve(wire, port)
                  await wire.close()
                }
              }
            }
          }
        }
      }
    }
  }

  private func serve(_ wire: Wire, _ port: Int) async throws {
    let connection = log.connection()
    while true {
      let head = try await wire.head()
      var request = UpstreamLog.Request(connection: connection, port: port, head: head, body: [])
      let target = String(request.target)
      let script = scripts.withLock { scripts in scripts.first { target.contains($0.key) }?.value }
      // What a script leaves unread it reads itself.
      guard let script else {
        if request.values("expect") == ["100-continue"] { try await wire.send("HTTP/1.1 100 Continue\r\n\r\n") }
        request.body = try await Self.body(wire, head)
        log.note(request)
        try await wire.send(Self.echo(request))
        continue
      }
      log.note(request)
      guard try await script(wire, request) else { return }
    }
  }

  /// Reads a body as the fields state it, without any doubt about them.
  static func body(_ wire: Wire, _ head: String) async throws -> [UInt8] {
    let parsed = Answer(head)
    if parsed["transfer-encoding"] != nil {
      var body: [UInt8] = []
      while true {
        let size = Int(try await wire.line().prefix { $0.isHexDigit }, radix: 16) ?? 0
        guard size > 0 else { break }
        body += try await wire.bytes(size)
        _ = try await wire.bytes(2)
      }
      while try await wire.line() != "\r\n" {}
      return body
    }
    return try await wire.bytes(parsed["content-length"].flatMap { Int($0) } ?? 0)
  }

  /// What came, as a body.
  static func echo(_ request: UpstreamLog.Request) -> [UInt8] {
    let body = Array(request.head.utf8) + request.body
    return Array("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: \(body.count)\r\n\r\n".utf8) + body
  }
}
