import Foundation
import NIOCore
import NIOHTTP1
import NIOWebSocket
import PalanaCore
import Synchronization
import Testing

@testable import PalanaKube

/// Programs in containers, over a real socket.
@Suite(.timeLimit(.minutes(5))) struct ExecTests {
  /// What a session told, and how it ended.
  private struct Told: Sendable, Equatable {
    var texts: [String] = []
    var exit: ExecSession.Exit?
  }

  private static func read(_ session: inout ExecSession) async throws -> Told {
    var told = Told()
    while let output = try await session.next() {
      switch output {
      case .standardOutput(let bytes): told.texts.append("out " + String(buffer: bytes))
      case .standardError(let bytes): told.texts.append("err " + String(buffer: bytes))
      }
    }
    told.exit = session.exit
    return told
  }

  private func exec(
    _ answer: ScriptedContainer.Answer = .accepts(), _ authentication: KubeAuthentication = .none, limits: KubeLimits = KubeLimits(),
    _ script: @escaping ScriptedContainer.Script
  ) async throws -> Told {
    try await ScriptedContainer.run(answer, authentication, limits: limits, script) { client, _ in
      try await client.exec("pod", in: "ns", ExecRequest(["sh"])) { session in try await Self.read(&session) }
    }
  }

  @Test func whatAProgramWritesAndHowItEnds() async throws {
    let told = try await ScriptedContainer.run(.accepts(), .token(Redacted("secret-token"))) { container in
      try await container.say(1, "one")
      try await container.say(2, "two")
      // Every stream is opened with nothing in it.
      try await container.say(1, "")
      try await container.say(1, "three")
      try await container.send(.binary, [255, 1])
      try await container.exit(3)
    } _: { client, server in
      let alice = client.impersonating(Impersonation(user: "alice@example.com"))
      let told = try await alice.exec("a-pod", in: "ns", ExecRequest(["sh", "-c", "a & b"], container: "main")) { session in
        try await Self.read(&session)
      }
      let head = try #require(server.requests.first)
      #expect(
        head.uri == "/api/v1/namespaces/ns/pods/a-pod/exec?command=sh&command=-c&command=a%20%26%20b&container=main"
          + "&stdin=false&stdout=true&stderr=true&tty=false")
      #expect(head.headers["sec-websocket-protocol"] == ["v5.channel.k8s.io"] && head.headers["host"] == ["127.0.0.1:\(server.port)"])
      #expect(head.headers["authorization"] == ["Bearer secret-token"] && head.headers["impersonate-user"] == ["alice@example.com"])
      return told
    }
    #expect(told == Told(texts: ["out one", "err two", "out three"], exit: .code(3)))
  }

  @Test func inputItsEndAndTheSizeOfTheTerminal() async throws {
    let told = try await ScriptedContainer.run { container in
      while let heard = try await container.heard() {
        try await container.say(1, heard)
        if heard == "close 0" { try await container.exit(0) }
      }
    } _: { client, server in
      let told = try await client.exec("pod", in: "ns", ExecRequest(["sh"], hasInput: true, hasTerminal: true)) { session in
        try await session.input.resize(columns: 80, rows: 24)
        try await session.input.write(ByteBuffer(string: "hello"))
        try await session.input.finish()
        return try await Self.read(&session)
      }
      // A terminal has one output.
      #expect(server.requests.first?.uri.hasSuffix("stdin=true&stdout=true&stderr=false&tty=true") == true)
      return told
    }
    #expect(told.texts.first?.hasPrefix("out 4 {") == true && told.texts.first?.contains(#""Width":80"#) == true)
    #expect(told.texts.dropFirst() == ["out 0 hello", "out close 0"] && told.exit == .code(0))
  }

  @Test(arguments: [
    (#"{"kind":"Status","status":"Success"}"#, ExecSession.Exit.code(0)), (#"{"status":"Success"}"#, .code(0)),
    (#"{"status":"Failure","details":{"causes":[{"reason":"Other","message":"1"},{"reason":"ExitCode","message":"137"}]}}"#, .code(137)),
    (#"{"status":"Failure","message":"no such container"}"#, .failed("no such container")),
    (#"{"status":"Failure","message":"m","details":{"causes":[{"reason":"ExitCode","message":"99999999999999999999"}]}}"#, .failed("m")),
    (#"{"kind":"Status"}"#, .failed("the program did not run")),
  ])
  func howItEnded(status: String, exit: ExecSession.Exit) async throws {
    let told = try await self.exec { container in try await container.say(3, status) }
    #expect(told == Told(exit: exit))
  }

  // MARK: Connections that do not come about

  /// What is said of a server that answers like this.
  private func refusal(_ answer: ScriptedServer.Answer, limits: KubeLimits = KubeLimits()) async throws -> KubeError? {
    try await ScriptedServer.run { _, _ in
      answer
    } _: { server in
      try await server.client(limits: limits) { client in
        await #expect(throws: KubeError.self) { try await client.exec("pod", in: "ns", ExecRequest(["sh"])) { _ in } }
      }
    }
  }

  private static func status(_ code: Int, _ reason: String) -> ScriptedServer.Answer {
    .json(#"{"kind":"Status","code":\#(code),"reason":"\#(reason)","message":"said so"}"#, status: code)
  }

  @Test(arguments: [
    (status(403, "Forbidden"), KubeError.Kind.forbidden), (status(404, "NotFound"), .notFound), (status(400, "BadRequest"), .invalid),
    (.json("<html>", status: 502), .server), (.json("{}"), .malformed),
    (ScriptedServer.Answer(status: 429, headers: [("retry-after", "7")]), .throttled),
    (ScriptedServer.Answer(status: 500, pieces: [String(repeating: "x", count: 200_000)]), .server),
    (ScriptedServer.Answer(status: 403, pieces: ["{"], breaksOff: true), .unreachable),
  ])
  func whatIsRefused(answer: ScriptedServer.Answer, kind: KubeError.Kind) async throws {
    let error = try await refusal(answer)
    #expect(error?.kind == kind, "\(error as Any)")
    if kind == .throttled { #expect(error?.retryAfter == .seconds(7)) }
    if kind == .forbidden { #expect(error?.message == "said so") }
  }

  @Test(arguments: [nil, "v4.channel.k8s.io", "v5.channel.k8s.io, v4.channel.k8s.io"])
  func aServerThatSpeaksSomethingElse(name: String?) async throws {
    let error = await #expect(throws: KubeError.self) { try await exec(.accepts(speaking: name)) { _ in } }
    #expect(error?.kind == .malformed && error?.message.contains("v5.channel.k8s.io") == true)
  }

  @Test(arguments: [ScriptedServer.Answer(hangs: true), ScriptedServer.Answer(status: 403, pieces: ["{"], staysOpen: true)])
  func aServerThatDoesNotGoOn(answer: ScriptedServer.Answer) async throws {
    var limits = KubeLimits()
    limits.timeout = .milliseconds(100)
    let error = try await refusal(answer, limits: limits)
    #expect(error?.kind == .unreachable)
  }

  @Test func aTokenThatIsRefusedIsReadAgain() async throws {
    let path = NSTemporaryDirectory() + "/palana-kube-token-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: path) }
    try "old".write(toFile: path, atomically: true, encoding: .utf8)
    let answer = ScriptedContainer.Answer.acceptsIf { head in
      try? "new".write(toFile: path, atomically: true, encoding: .utf8)
      return head.headers["authorization"] == ["Bearer new"]
    }
    let told = try await exec(answer, .tokenFile(path)) { container in try await container.exit(0) }
    #expect(told.exit == .code(0))
  }

  @Test func aProxyIsNotGoneAround() async throws {
    var endpoint = KubeEndpoint(url: "http://127.0.0.1:1")
    endpoint.proxy = "http://127.0.0.1:2"
    let server = try KubeServer(endpoint)
    let error = await #expect(throws: KubeError.self) {
      try await KubeClient(server, fieldManager: "t").exec("pod", in: "ns", ExecRequest(["sh"])) { _ in }
    }
    #expect(error?.kind == .invalid && error?.message.contains("proxy") == true)
    await server.close()
  }

  // MARK: Frames

  @Test func piecesOfAMessageAndPings() async throws {
    let told = try await ScriptedContainer.run { container in
      try await container.send(.binary, [1] + "in ".utf8, fin: false)
      try await container.send(.ping, Array("p".utf8))
      try await container.send(.continuation, Array("pieces".utf8))
      try await container.send(.pong, [])
      try await container.send(.binary, [])
      try await container.say(1, try await container.heard() ?? "nothing")
      try await container.exit(0)
    } _: { client, _ in
      try await client.exec("pod", in: "ns", ExecRequest(["sh"])) { session in try await Self.read(&session) }
    }
    #expect(told == Told(texts: ["out in pieces", "out pong p"], exit: .code(0)))
  }

  /// A frame, as bytes on the wire. It ends the session; `kind`: with this error, nil: as a program whose end is not known.
  @Test(
    arguments: [
      ([0x81, 0x01, 0x61], .malformed), ([0x82, 0x01, 0x00], .malformed), ([0x82, 0x01, 0x04], .malformed),
      ([0x82, 0x01, 0x05], .malformed), ([0x82, 0x01, 0x03], .malformed), ([0x82, 0x02, 0x03, 0x7b], .malformed),
      ([0x83, 0x00], .malformed),
      // A message of 2^62 bytes; one byte over the bound; a piece without a beginning.
      ([0x82, 0x7f, 0x40, 0, 0, 0, 0, 0, 0, 0], nil), ([0x82, 0x7f, 0, 0, 0, 0, 0, 0x10, 0, 1], nil), ([0x80, 0x01, 0x61], .unreachable),
    ] as [([UInt8], KubeError.Kind?)])
  func hostileFrames(bytes: [UInt8], kind: KubeError.Kind?) async throws {
    do {
      let told = try await raw(bytes)
      guard case .failed = told.exit, kind == nil else { return #expect(Bool(false), "\(told)") }
    } catch let error as KubeError {
      #expect(error.kind == kind)
    }
  }

  private func raw(_ bytes: [UInt8], closes: Bool = false) async throws -> Told {
    try await RawContainer.run(bytes, closes: closes) { client in
      try await client.exec("pod", in: "ns", ExecRequest(["sh"])) { session in try await Self.read(&session) }
    }
  }

  /// All of it comes in one packet with the switch, and the connection ends with it.
  @Test func aProgramThatEndsAtOnce() async throws {
    let bytes = RawContainer.frame(1, "out") + RawContainer.frame(2, "err") + RawContainer.frame(3, #"{"status":"Success"}"#)
    for closes in [false, true] {
      for _ in 0..<20 {
        let told = try await raw(bytes, closes: closes)
        #expect(told == Told(texts: ["out out", "err err"], exit: .code(0)))
      }
    }
  }

  @Test func messagesAreBoundedInPiecesToo() async throws {
    let piece = [UInt8](repeating: 120, count: 400_000)
    let error = await #expect(throws: KubeError.self) {
      try await exec { container in
        try await container.send(.binary, [1] + piece, fin: false)
        while true { try await container.send(.continuation, piece, fin: false) }
      }
    }
    #expect(error?.kind == .unreachable)
  }

  @Test func aConnectionThatEndsBeforeTheProgram() async throws {
    let closed = try await exec { container in
      try await container.say(1, "x")
      try await container.send(.connectionClose, [3, 233])
      while try await container.heard() != nil {}
    }
    guard case .failed = closed.exit else { return #expect(Bool(false), "\(closed)") }
    #expect(closed.texts == ["out x"])
    let gone = try await exec { container in try await container.say(1, "x") }
    guard case .failed = gone.exit else { return #expect(Bool(false), "\(gone)") }
  }

  // MARK: Slow and impatient readers

  @Test func whoReadsSlowlySlowsTheProgramDown() async throws {
    let (size, most) = (65_536, 2_000)
    let written = Written()
    let read = try await ScriptedContainer.run { container in
      for _ in 0..<most {
        try await container.send(.binary, [1] + [UInt8](repeating: 120, count: size))
        written.add()
      }
      try await container.exit(0)
      // What is still on its way would be lost.
      while try await container.heard() != nil {}
    } _: { client, _ in
      try await client.exec("pod", in: "ns", ExecRequest(["yes"])) { session in
        var read = try await session.next() == nil ? 0 : 1
        let before = try await standstill(below: most) { written.count }
        #expect(before < most)
        while try await session.next() != nil { read += 1 }
        #expect(session.exit == .code(0))
        return read
      }
    }
    #expect(read == most)
  }

  @Test func whoIsCancelledLeaves() async throws {
    let (left, leaves) = AsyncStream.makeStream(of: Void.self)
    try await ScriptedContainer.run { container in
      try await container.say(1, "ready")
      while try await container.heard() != nil {}
      leaves.yield()
    } _: { client, _ in
      let (ready, says) = AsyncStream.makeStream(of: Void.self)
      let result = await withTaskGroup(of: Bool.self) { group in
        group.addTask {
          do {
            try await client.exec("pod", in: "ns", ExecRequest(["sh"])) { session in
              _ = try await session.next()
              says.yield()
              _ = try await session.next()
            }
            return false
          } catch {
            return error is CancellationError
          }
        }
        for await _ in ready { break }
        group.cancelAll()
        return await group.next() ?? false
      }
      #expect(result)
      for await _ in left { break }
    }
  }

  // MARK: Logs

  @Test func logsComeAsTheyAreWritten() async throws {
    let (size, most) = (65_536, 2_000)
    let piece = String(repeating: "x", count: size)
    try await ScriptedServer.run { _, _ in
      ScriptedServer.Answer(pieces: [piece], repeats: most - 1)
    } _: { server in
      try await server.client { client in
        let body = try await client.logs("pod", in: "ns", container: "main", follow: true, tail: 5)
        var read = 0
        var isFirst = true
        for try await bytes in body {
          read += bytes.readableBytes
          if isFirst {
            isFirst = false
            let before = try await standstill(below: most - 1) { server.repeated }
            #expect(before < most - 1)
          }
        }
        #expect(read == size * most)
      }
      #expect(server.paths == ["/api/v1/namespaces/ns/pods/pod/log?follow=true&container=main&tailLines=5"])
    }
  }

  @Test func aLogThatBreaksOffIsNoEnd() async throws {
    try await ScriptedServer.run { _, _ in
      ScriptedServer.Answer(pieces: ["a line\n"], breaksOff: true)
    } _: { server in
      try await server.client { client in
        let error = await #expect(throws: KubeError.self) {
          let body = try await client.logs("pod", in: "ns")
          for try await _ in body {}
        }
        #expect(error?.kind == .unreachable)
      }
    }
  }
}

private final class Written: Sendable {
  private let state = Mutex(0)
  var count: Int { state.withLock { $0 } }
  func add() { state.withLock { $0 += 1 } }
}
