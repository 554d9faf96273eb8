import NIOHTTP1
import PalanaCore
import PalanaKube
import PalanaPlan
import Synchronization
import Testing

@testable import PalanaCluster

/// Commands and files, against a container that speaks `v5.channel.k8s.io`.
@Suite struct EngineTests {
  /// What came out, in order.
  private final class Said: Sendable {
    private let state = Mutex<[String]>([])
    var all: [String] { state.withLock { $0 } }
    func take(_ output: ExecOutput) {
      state.withLock { state in
        switch output {
        case .stdout(let bytes): state.append("1 " + String(decoding: bytes, as: UTF8.self))
        case .stderr(let bytes): state.append("2 " + String(decoding: bytes, as: UTF8.self))
        }
      }
    }
  }

  private func engine(_ client: KubeClient) -> ClusterEngine {
    ClusterEngine(ClusterStores(client, logger: quiet), for: .platform)
  }

  private func input(_ items: ExecInput...) -> AsyncStream<ExecInput> {
    AsyncStream { continuation in for item in items { continuation.yield(item) } }
  }

  @Test func aCommandReadsWritesAndEnds() async throws {
    let said = Said()
    let code = try await ScriptedContainer.run { conversation in
      guard try await conversation.heard() == "0 hello", try await conversation.heard() == "close 0" else { return }
      try await conversation.say(1, "out")
      try await conversation.say(2, "err")
      try await conversation.exit(7)
    } _: { client, container in
      let request = PalanaPlan.ExecRequest(command: ["cat", "-n"], env: ["B": "2", "A": "1"], workingDirectory: "/data")
      let code = try await engine(client).exec(request, in: "ns", input: input(.bytes(Array("hello".utf8)), .endOfInput)) { said.take($0) }
      let query = container.requests.first?.uri ?? ""
      #expect(query.hasPrefix("/api/v1/namespaces/ns/pods/agent-0/exec?"))
      #expect(
        query.contains("command=sh&command=-c&command=cd")
          && query.contains("command=%2Fdata&command=env&command=A%3D1&command=B%3D2&command=cat&command=-n"))
      #expect(query.contains("container=agent&stdin=true&stdout=true&stderr=true&tty=false"))
      return code
    }
    #expect(code == 7)
    #expect(said.all == ["1 out", "2 err"])
  }

  @Test func aTerminalHasASizeAndKeysThatAreSignals() async throws {
    let heard = Said()
    let code = try await ScriptedContainer.run { conversation in
      for _ in 0..<3 { heard.take(.stdout(Array((try await conversation.heard() ?? "").utf8))) }
      try await conversation.exit(130)
    } _: { client, _ in
      try await engine(client).exec(
        .init(command: ["top"], terminal: .init(rows: 24, columns: 80)), in: "ns",
        input: input(.resize(.init(rows: 50, columns: 132)), .signal(2))
      ) { _ in }
    }
    #expect(code == 130)
    #expect(heard.all == [#"1 4 {"Width":80,"Height":24}"#, #"1 4 {"Width":132,"Height":50}"#, "1 0 \u{3}"])
  }

  @Test func aSignalThatCannotBeSentClosesTheConnection() async throws {
    let code = try await ScriptedContainer.run { conversation in
      while try await conversation.heard() != nil {}
    } _: { client, _ in
      try await engine(client).exec(.init(command: ["sleep", "60"]), in: "ns", input: input(.signal(15))) { _ in }
    }
    #expect(code == 143)
  }

  @Test func aProgramThatIsNotThereIsNotFound() async throws {
    let error = await #expect(throws: PalanaError.self) {
      _ = try await ScriptedContainer.run { conversation in
        try await conversation.say(
          3,
          #"{"kind":"Status","status":"Failure","message":"exec failed: unable to start container process: exec: \"nope\": executable file not found in $PATH"}"#
        )
      } _: { client, _ in
        try await engine(client).exec(.init(command: ["nope"]), in: "ns", input: input()) { _ in }
      }
    }
    #expect(error?.code == .notFound && error?.message.contains("nope") == true)
  }

  @Test func variablesHaveNames() throws {
    for name in ["-u", "A=B", "", "1A", "A B"] {
      #expect(throws: PalanaError.self) { try ClusterEngine.command(.init(command: ["x"], env: [name: "1"])) }
    }
    #expect(try ClusterEngine.command(.init(command: ["x"], env: ["_A1": "v w"])) == ["env", "_A1=v w", "x"])
    #expect(try ClusterEngine.command(.init(command: [])).first == "sh")
  }

  // MARK: Files

  private func tar(_ pieces: [String], fails: Bool = false) -> AsyncThrowingStream<[UInt8], any Error> {
    AsyncThrowingStream { continuation in
      for piece in pieces { continuation.yield(Array(piece.utf8)) }
      continuation.finish(throwing: fails ? CancellationError() : nil)
    }
  }

  @Test func filesGoInThroughTar() async throws {
    let heard = Said()
    let asked = Calls()
    try await ScriptedContainer.run { conversation in
      let number = asked.next()
      // First whether there is a tar.
      if number == 1 { return try await conversation.exit(0) }
      while let text = try await conversation.heard() {
        heard.take(.stdout(Array(text.utf8)))
        if text == "close 0" { break }
      }
      try await conversation.exit(0)
    } _: { client, container in
      try await engine(client).unpack(in: "ns", directory: "/data", tar: tar(["a", "b"]))
      #expect(
        container.requests.last?.uri.contains("command=tar&command=-x&command=-o&command=-f&command=-&command=-C&command=%2Fdata") == true)
    }
    #expect(heard.all == ["1 0 a", "1 0 b", "1 close 0"])
  }

  @Test func filesComeOutThroughTar() async throws {
    let asked = Calls()
    try await ScriptedContainer.run { conversation in
      let number = asked.next()
      if number == 3 {
        try await conversation.say(1, "part one ")
        try await conversation.say(1, "part two")
      }
      try await conversation.exit(0)
    } _: { client, container in
      var text = ""
      for try await piece in try await engine(client).pack(in: "ns", path: "/data/out") { text += String(decoding: piece, as: UTF8.self) }
      #expect(text == "part one part two")
      #expect(
        container.requests.last?.uri.contains(
          "command=tar&command=-c&command=-f&command=-&command=-C&command=%2Fdata&command=--&command=out") == true)
    }
  }

  @Test func whatIsMissingIsSaid() async throws {
    typealias Row = (codes: [Int], code: PalanaError.Code, words: String)
    let rows: [Row] = [([127], .failed, "no ‘tar’"), ([0, 1], .notFound, "/data/out")]
    for row in rows {
      let counted = Counter(row.codes)
      let error = await #expect(throws: PalanaError.self) {
        try await ScriptedContainer.run { conversation in
          try await conversation.exit(counted.next())
        } _: { client, _ in
          _ = try await engine(client).pack(in: "ns", path: "/data/out")
        }
      }
      #expect(error?.code == row.code && error?.message.contains(row.words) == true, "\(error as Any)")
    }
  }

  private final class Calls: Sendable {
    private let count = Mutex(0)
    func next() -> Int {
      count.withLock { count in
        count += 1
        return count
      }
    }
  }

  private final class Counter: Sendable {
    private let codes: Mutex<[Int]>
    init(_ codes: [Int]) { self.codes = Mutex(codes) }
    func next() -> Int { codes.withLock { $0.isEmpty ? 0 : $0.removeFirst() } }
  }

  // MARK: Logs

  @Test func linesHaveTimesAndALimit() throws {
    let time = "2026-11-27T10:00:00.123456789Z"
    var reader = LogLineReader()
    var lines = reader.take(Array("\(time) one\n\(time) two\r\n2026-11-27T10:00".utf8))
    lines += reader.take(Array(":01Z three\n\n\(time) ".utf8))
    lines += reader.take([0xff, 10])
    if let last = reader.finish() { lines.append(last) }
    #expect(lines.map(\.text) == ["one", "two", "three", "", "\u{fffd}"])
    #expect(lines.first?.time == Timestamp(parsing: time) && lines.first?.stream == .stdout)

    var long = LogLineReader()
    let text = String(repeating: "x", count: 40_000)
    var pieces = long.take(Array("\(time) \(text.prefix(30_000))".utf8))
    pieces += long.take(Array("\(text.dropFirst(30_000))\n".utf8))
    #expect(pieces.map(\.text.count) == [16_384, 16_384, 7_232])
    #expect(pieces.allSatisfy { $0.time == Timestamp(parsing: time) })
    #expect(long.finish() == nil)
  }

  @Test func aPodSaysHowItsProgramEnded() {
    func pod(_ state: JSONValue, _ last: JSONValue = [:], restarts: Int = 0) -> RunningPod {
      RunningPod(
        KubeObject([
          "metadata": ["uid": "u"],
          "status": [
            "containerStatuses": [
              ["name": "other"],
              ["name": "agent", "state": state, "lastState": last, "restartCount": .number(JSONNumber(restarts))],
            ]
          ],
        ]))
    }
    let running = pod(["running": [:]])
    #expect(running.isRunning && running.exitCode == nil)
    #expect(pod(["terminated": ["exitCode": 3]]).exitCode == 3)
    #expect(!pod(["waiting": ["reason": "ImagePullBackOff"]]).isRunning)
    let next = pod(["running": [:]], ["terminated": ["exitCode": 9]], restarts: 1)
    #expect(next.exitCode(after: running) == 9)
    #expect(running.exitCode(after: running) == nil)
  }
}
