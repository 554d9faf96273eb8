import Foundation
import NIOCore
import NIOPosix

/// A proxy that promises nothing: it asks nobody who they are, opens every tunnel, and puts the secret wherever its placeholder
/// stands. Against it cases of every family must fail, or they would show nothing.
public enum ToyProxy {
  /// Families of which no case can fail here.
  public static let cannotShow: Set<Family> = []

  private static let address = "127.77.3.1"

  /// Runs every case against the toy, with an upstream of its own.
  public static func posture() async throws -> Posture {
    let folder = FileManager.default.temporaryDirectory.path + "/egress-cases-\(UInt32.random(in: 0 ... .max))"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let names = CaseTarget.Names()
    try UpstreamCertificates.make(in: folder, names: [names.allowed, names.other, names.denied])
    let authority = try String(contentsOfFile: UpstreamCertificates.authority(in: folder), encoding: .utf8)
    let upstream = CaseTarget.Upstream(address: "127.77.3.2", folder: folder)
    let listener = try await listen()

    var target = CaseTarget(
      plane: "toy", proxy: CaseTarget.Endpoint(address: address, port: listener.channel.localAddress?.port ?? 0), authority: authority,
      a: CaseTarget.Agent(name: "a", token: "token-a", namespace: nil, source: "127.77.3.3"))
    target.b = CaseTarget.Agent(name: "b", token: "token-b", namespace: nil, source: "127.77.3.4")
    target.upstream = upstream
    target.names.special = ["inside.test"]
    target.secret = CaseTarget.Secret(placeholder: "TOKEN_TOY", value: "value-of-the-toy-1234567890", foreign: "TOKEN_TOY_OF_B")
    target.audit = ["true"]
    for action in [\CaseTarget.Actions.kill, \.unkill, \.deny, \.permit] { target.actions[keyPath: action] = ["true"] }
    target.features = [.reasons, .http2, .scrubbing, .leakGuard, .plainHTTP, .websocket]

    let server = try await CaseUpstream(upstream)
    var runner = try CaseRunner(target, upstream: server)
    // It leaves many an attack without an answer.
    runner.patience = .seconds(3)
    runner.width = 64
    let (run, secret) = (runner, target.secret)
    return await withTaskGroup(of: Posture?.self) { group in
      group.addTask {
        await server.run()
        return nil
      }
      group.addTask {
        await serve(listener, secret: secret)
        return nil
      }
      group.addTask { await run() }
      defer { group.cancelAll() }
      while let next = await group.next() { if let next { return next } }
      return Posture(plane: "toy", entries: [])
    }
  }

  private static func listen() async throws -> NIOAsyncChannel<Wire, Never> {
    try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .bind(host: address, port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          let inbox = Inbox()
          try channel.pipeline.syncOperations.addHandler(inbox)
          return Wire(channel, inbox)
        }
      }
  }

  private static func serve(_ listener: NIOAsyncChannel<Wire, Never>, secret: CaseTarget.Secret?) async {
    try? await listener.executeThenClose { connections in
      try await withThrowingDiscardingTaskGroup { group in
        for try await wire in connections {
          group.addTask {
            try? await relay(wire, secret)
            await wire.close()
          }
        }
      }
    }
  }

  private static func relay(_ client: Wire, _ secret: CaseTarget.Secret?) async throws {
    let head = try await client.head()
    let isTunnel = head.hasPrefix("CONNECT ")
    let target = head.split(separator: " ").dropFirst().first ?? ""
    let named = target.split(separator: ":").last.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
    let port = UpstreamPort.all.contains(named) ? named : isTunnel ? UpstreamPort.https : UpstreamPort.http
    let anyone = CaseTarget.Agent(name: "", token: "", namespace: nil, source: nil)
    let upstream = try await Wire.over(AgentSocket.connect(anyone, to: "127.77.3.2", port: port))
    if isTunnel {
      try await client.send("HTTP/1.1 200 OK\r\n\r\n")
    } else {
      let origin = target.firstRange(of: "//").flatMap { start in target[start.upperBound...].firstIndex(of: "/").map { target[$0...] } }
      try await upstream.send(
        head.replacing(target, with: origin ?? "/").replacing(secret?.placeholder ?? "-", with: secret?.value ?? "-"))
    }
    await withDiscardingTaskGroup { group in
      group.addTask { await copy(client, upstream) }
      group.addTask { await copy(upstream, client) }
    }
    await upstream.close()
  }

  private static func copy(_ from: Wire, _ to: Wire) async {
    while let bytes = try? await from.some(), !bytes.isEmpty { guard (try? await to.send(bytes)) != nil else { break } }
    try? await to.finishWriting()
  }
}
