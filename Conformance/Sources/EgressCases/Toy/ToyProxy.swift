import Foundation
import NIOCore
import NIOPosix
import NIOSSL

/// A proxy that promises nothing: it asks nobody who they are, opens every tunnel, ends TLS with a certificate for every name, trusts
/// every upstream, and puts the secret wherever its placeholder stands. Against it cases of every family must fail, or they would
/// show nothing.
public struct ToyProxy: Sendable {
  private static let address = "127.77.3.1"
  private static let upstream = "127.77.3.2"

  private let secret: CaseTarget.Secret
  private let serverTLS: NIOSSLContext
  private let clientTLS: NIOSSLContext

  /// Runs every case against the toy, with an upstream of its own.
  public static func posture() async throws -> Posture {
    let folder = FileManager.default.temporaryDirectory.path + "/egress-cases-\(UInt32.random(in: 0 ... .max))"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let listener = try await listen()
    let target = try target(folder, port: listener.channel.localAddress?.port ?? 0)
    guard let secret = target.secret, let upstream = target.upstream else { return Posture(plane: "toy", entries: []) }
    let toy = try ToyProxy(secret, folder: folder)
    let server = try await CaseUpstream(upstream)
    var runner = try CaseRunner(target, upstream: server)
    // It leaves many an attack without an answer.
    runner.patience = .seconds(12)
    runner.silence = .seconds(1)
    runner.auditPatience = .zero
    runner.width = 32
    let run = runner
    return await withTaskGroup(of: Posture?.self) { group in
      group.addTask {
        await server.run()
        return nil
      }
      group.addTask {
        await toy.serve(listener)
        return nil
      }
      group.addTask { await run() }
      defer { group.cancelAll() }
      while let next = await group.next() { if let next { return next } }
      return Posture(plane: "toy", entries: [])
    }
  }

  private static func target(_ folder: String, port: Int) throws -> CaseTarget {
    let names = CaseTarget.Names()
    try UpstreamCertificates.make(in: folder, names: [names.allowed, names.other, names.denied, "*.\(CaseNames.zone)"])
    var target = CaseTarget(
      plane: "toy", proxy: CaseTarget.Endpoint(address: address, port: port),
      authority: try String(contentsOfFile: UpstreamCertificates.authority(in: folder), encoding: .utf8),
      a: CaseTarget.Agent(name: "a", token: "token-a", namespace: nil, source: "127.77.3.3"))
    target.b = CaseTarget.Agent(name: "b", token: "token-b", namespace: nil, source: "127.77.3.4")
    target.upstream = CaseTarget.Upstream(address: upstream, folder: folder, inside: "127.77.3.5")
    target.names.special = ["inside.test"]
    target.secret = CaseTarget.Secret(
      placeholder: "TOKEN_TOY", value: "value-of-the-toy-1234567890", foreign: "TOKEN_FOREIGN", next: "next-value-of-the-toy")
    target.contents = CaseTarget.Contents(placeholder: "TOKEN_OF_CONTENTS", value: "another-value-of-the-toy")
    target.audit = ["true"]
    // Commands that do nothing.
    for action in [\CaseTarget.Actions.kill, \.unkill, \.deny, \.permit, \.rotate, \.rotateBack, \.restart, \.create] {
      target.actions[keyPath: action] = ["true"]
    }
    target.connectionLimit = 50
    target.features = Set(CaseTarget.Feature.allCases)
    return target
  }

  private init(_ secret: CaseTarget.Secret, folder: String) throws {
    self.secret = secret
    let file = "\(folder)/\(UpstreamPort.https)"
    var server = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMFile(file + ".pem").map { .certificate($0) },
      privateKey: .privateKey(try NIOSSLPrivateKey(file: file + ".key", format: .pem)))
    server.applicationProtocols = ["h2", "http/1.1"]
    server.shutdownTimeout = .milliseconds(200)
    serverTLS = try NIOSSLContext(configuration: server)
    var client = TLSConfiguration.makeClientConfiguration()
    client.certificateVerification = .none
    client.shutdownTimeout = .milliseconds(200)
    clientTLS = try NIOSSLContext(configuration: client)
  }

  // MARK: Serving

  private static func listen() async throws -> NIOAsyncChannel<Wire, Never> {
    try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.backlog, value: 4096)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .bind(host: address, port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          let inbox = Inbox(channel.eventLoop, silence: nil)
          try channel.pipeline.syncOperations.addHandler(inbox)
          return Wire(channel, inbox)
        }
      }
  }

  private func serve(_ listener: NIOAsyncChannel<Wire, Never>) async {
    try? await listener.executeThenClose { connections in
      try await withThrowingDiscardingTaskGroup { group in
        for try await wire in connections {
          group.addTask {
            try? await relay(wire)
            await wire.close()
          }
        }
      }
    }
  }

  private func relay(_ client: Wire) async throws {
    let head = try await client.head()
    let target = head.split(separator: " ").dropFirst().first ?? ""
    let named = target.split(separator: ":").last.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
    guard head.hasPrefix("CONNECT ") else {
      let upstream = try await dial(UpstreamPort.http)
      let origin = target.firstRange(of: "//").flatMap { start in target[start.upperBound...].firstIndex(of: "/").map { target[$0...] } }
      try await upstream.send(replaced(Array(head.replacing(target, with: origin ?? "/").utf8)))
      return await copyBoth(client, upstream)
    }
    try await client.acceptTLS(serverTLS, after: "HTTP/1.1 200 OK\r\n\r\n")
    let port = UpstreamPort.all.contains(named) && named != UpstreamPort.http ? named : UpstreamPort.https
    if try await client.negotiated() == "h2" {
      return try await ToyHTTP2(client, dial: { try await dial(port) }, replaced: replaced).serve()
    }
    await copyBoth(client, try await dial(port))
  }

  private func dial(_ port: Int) async throws -> Wire {
    let anyone = CaseTarget.Agent(name: "", token: "", namespace: nil, source: nil)
    let wire = try await Wire.over(AgentSocket.connect(anyone, to: Self.upstream, port: port), silence: nil)
    if port != UpstreamPort.http { try await wire.startTLS(clientTLS, name: nil) }
    return wire
  }

  /// The secret in place of the placeholder, wherever it stands.
  private func replaced(_ bytes: [UInt8]) -> [UInt8] {
    let mark = Array(secret.placeholder.utf8)
    guard bytes.count >= mark.count, bytes.firstRange(of: mark) != nil else { return bytes }
    return bytes.split(separator: mark, omittingEmptySubsequences: false).map(Array.init).joined(separator: secret.value.utf8).map { $0 }
  }

  private func copyBoth(_ client: Wire, _ upstream: Wire) async {
    await withDiscardingTaskGroup { group in
      group.addTask { await copy(client, upstream, change: replaced) }
      group.addTask { await copy(upstream, client, change: { $0 }) }
    }
    await upstream.close()
  }

  private func copy(_ from: Wire, _ to: Wire, change: ([UInt8]) -> [UInt8]) async {
    while let bytes = try? await from.some(), !bytes.isEmpty { guard (try? await to.send(change(bytes))) != nil else { break } }
    try? await to.finishWriting()
  }
}
