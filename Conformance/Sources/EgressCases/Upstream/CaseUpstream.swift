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
  /// The suite's name server, where the gateway asks it.
  let names: CaseNames?
  private let listeners: [Listener]

  private struct Listener {
    var port: Int
    var isInside: Bool
    var channel: NIOAsyncChannel<Wire, Never>
  }

  /// Listens at the target's address, on every port of ``UpstreamPort``.
  public init(_ target: CaseTarget.Upstream) async throws {
    var listeners: [Listener] = []
    let inside = target.inside.map { [(address: $0, port: UpstreamPort.https)] } ?? []
    for (address, port) in UpstreamPort.all.map({ (address: target.address, port: $0) }) + inside {
      let tls = try Self.context(port, folder: target.folder)
      let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.allowRemoteHalfClosure, value: true)
        .bind(host: address, port: port) { channel in
          channel.eventLoop.makeCompletedFuture {
            let inbox = Inbox(channel.eventLoop, silence: nil)
            if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
            try channel.pipeline.syncOperations.addHandler(inbox)
            return Wire(channel, inbox)
          }
        }
      listeners.append(Listener(port: port, isInside: address != target.address, channel: channel))
    }
    self.listeners = listeners
    names = target.inside.map { CaseNames(upstream: target.address, inside: $0) }
    _ = try await names?.bind(target.address, UpstreamPort.names)
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

  /// Answers requests with `mark` in their target by `script`; of several marks the longest counts.
  func script(_ mark: String, _ script: @escaping Script) { scripts.withLock { $0[mark] = script } }

  /// Serves until the task is cancelled.
  public func run() async {
    await withDiscardingTaskGroup { group in
      for listener in listeners {
        group.addTask {
          try? await listener.channel.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
              for try await wire in connections {
                group.addTask {
                  try? await self.serve(wire, listener)
                  await wire.close()
                }
              }
            }
          }
        }
      }
    }
  }

  private func serve(_ wire: Wire, _ listener: Listener) async throws {
    let connection = log.connection()
    while true {
      let head = try await wire.head()
      var request = UpstreamLog.Request(connection: connection, port: listener.port, head: head, body: [], isInside: listener.isInside)
      let target = String(request.target)
      let script = scripts.withLock { scripts in scripts.filter { target.contains($0.key) }.max { $0.key.count < $1.key.count }?.value }
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
