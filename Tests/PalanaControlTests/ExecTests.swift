import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaControl
import PalanaControlAPI
import PalanaCore
import PalanaPlan
import PalanaStore
import Synchronization
import Testing

@Suite struct ExecTests {
  private static let head =
    "POST /v1/agents/demo/exec HTTP/1.1\r\nhost: palana\r\ncontent-type: application/x-palana-exec\r\ntransfer-encoding: chunked\r\n\r\n"

  private static func chunk(_ frames: ExecFrame...) throws -> ByteBuffer {
    let bytes = try frames.flatMap { try $0.encoded() }
    return ByteBuffer(bytes: Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + [13, 10])
  }

  /// Reads the answer as it comes, undoing the chunked coding.
  private final class Reader {
    private var bytes: [UInt8] = []
    private var decoder = ExecFrameDecoder()
    private var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private var hasHead = false
    private(set) var status = 0

    init(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) { iterator = inbound.makeAsyncIterator() }

    func next() async throws -> ExecFrame? {
      while true {
        if let frame = try decoder.next() { return frame }
        if cut() { continue }
        guard let piece = try await iterator.next(isolation: nil) else { return nil }
        bytes += Array(piece.readableBytesView)
      }
    }

    /// Moves what is whole from the raw bytes to the decoder.
    private func cut() -> Bool {
      let text = String(decoding: bytes, as: UTF8.self)
      if !hasHead {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return false }
        status = Int(text.dropFirst(9).prefix(3)) ?? 0
        bytes.removeFirst(end.upperBound)
        hasHead = true
        return true
      }
      guard let line = bytes.firstRange(of: [13, 10]),
        let size = Int(String(decoding: bytes[..<line.lowerBound], as: UTF8.self), radix: 16),
        bytes.count >= line.upperBound + size + 2, size > 0
      else { return false }
      decoder.push(bytes[line.upperBound..<line.upperBound + size])
      bytes.removeFirst(line.upperBound + size + 2)
      return true
    }
  }

  private static func session(
    _ world: ControlWorld, _ body: @Sendable (Reader, NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws -> Void
  ) async throws {
    try await RawClient.use(try await RawClient.connect(socket: world.socket(.alice))) { inbound, outbound in
      try await outbound.write(ByteBuffer(string: head))
      try await body(Reader(inbound), outbound)
    }
  }

  @Test func bothDirectionsFlowAtOnce() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await Self.session(world) { reader, outbound in
        let start = ExecStart(command: ["cat", "--secret=hidden"], terminal: .init(rows: 24, columns: 80))
        try await outbound.write(Self.chunk(.start(start)))
        // Each answer comes before the next question is sent: neither side waits for the other's end.
        for number in 0..<5 {
          try await outbound.write(Self.chunk(.stdin(Array("ping \(number)".utf8))))
          #expect(try await reader.next() == .stdout(Array("ping \(number)".utf8)))
        }
        try await outbound.write(Self.chunk(.resize(.init(rows: 50, columns: 132))))
        #expect(try await reader.next() == .stderr(Array("50x132".utf8)))
        try await outbound.write(Self.chunk(.endOfInput))
        #expect(try await reader.next() == .exit(7))
        #expect(reader.status == 200)
      }
      let event = try #require(world.events.first { $0.action == "exec" })
      #expect(event.details == ["program": "cat", "terminal": "true"] && event.agent?.name == "demo")
    }
  }

  @Test func signalsEndTheCommand() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await Self.session(world) { reader, outbound in
        try await outbound.write(Self.chunk(.start(ExecStart(command: ["cat"])), .signal(15)))
        #expect(try await reader.next() == .exit(143))
      }
    }
  }

  @Test func largeOutputIsCutIntoFrames() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await Self.session(world) { reader, outbound in
        try await outbound.write(Self.chunk(.start(ExecStart(command: ["flood"]))))
        var total = 0
        while let frame = try await reader.next() {
          if case .stdout(let bytes) = frame {
            total += bytes.count
          } else {
            #expect(frame == .exit(0))
            break
          }
        }
        #expect(total == 6_400_000)
      }
    }
  }

  @Test func failuresOfTheEngineComeAsAFrame() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await Self.session(world) { reader, outbound in
        try await outbound.write(Self.chunk(.start(ExecStart(command: ["missing"]))))
        #expect(try await reader.next() == .failure(PalanaError(.notFound, "no such program")))
      }
    }
  }

  @Test func oneThatRestsIsStartedFirst() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let made: Agent = try await world.call(.resumeAgent, as: .alice, ["name": "demo"]).decoded(Agent.self)
      var marked = made
      marked.metadata.annotations = [IdleAnnotation.idle: "\(try #require(made.metadata.generation))"]
      let idle = try await world.store.update(marked)
      #expect(idle.isIdle)
      try await world.setStatus("demo", of: .alice, .idle)
      try await Self.session(world) { reader, outbound in
        // The engine's part: it starts what is no longer idle.
        try await outbound.write(Self.chunk(.start(ExecStart(command: ["cat"])), .endOfInput))
        try await eventually {
          let now: Agent = try await world.store.get(AgentSpec.self, owner: idle.spec.owner, name: idle.metadata.name)
          return !now.isIdle
        }
        try await world.setStatus("demo", of: .alice, .running)
        #expect(try await reader.next() == .exit(7))
      }
      #expect(world.events.filter { $0.component == .lifecycle && $0.decision == .allow }.map(\.action).suffix(2) == ["resume", "exec"])
      let book = world.activity
      let id = AgentID(owner: try #require(made.spec.owner), name: made.metadata.name)
      #expect(book.last(of: id, now: Timestamp(seconds: 0)) != nil)
    }
  }

  @Test func anAgentThatDoesNotRunIsNamed() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      world.engine.state.withLock { $0.isStopped = true }
      let expected = PalanaError(
        .conflict, "the agent ‘demo’ does not run", hint: "start it first: pcli resume demo")
      try await Self.session(world) { reader, outbound in
        try await outbound.write(Self.chunk(.start(ExecStart(command: ["cat"]))))
        #expect(try await reader.next() == .failure(expected))
      }
      let demo = ["name": "demo"]
      let put = try await world.call(
        .copyIntoAgent, as: .alice, demo, query: [("path", "/data")], bytes: [],
        headers: [("content-type", "application/x-tar")])
      let get = try await world.call(.copyFromAgent, as: .alice, demo, query: [("path", "/data/x")])
      for answer in [put, get] {
        #expect(answer.status == 409)
        #expect(try answer.decoded(PalanaError.Envelope.self).error == expected)
      }
    }
  }

  @Test func malformedFramesEndTheCommand() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let garbage: [[UInt8]] = [[99, 0, 0, 0, 0], [2, 255, 255, 255, 255], [19, 0, 0, 0, 4, 0, 0, 0, 0]]
      for (number, bytes) in garbage.enumerated() {
        for startsFirst in [false, true] {
          try await Self.session(world) { reader, outbound in
            if startsFirst {
              try await outbound.write(Self.chunk(.start(ExecStart(command: ["cat"])), .stdin([1])))
              #expect(try await reader.next() == .stdout([1]))
            }
            try await outbound.write(
              ByteBuffer(bytes: Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + [13, 10]))
            guard case .failure(let error) = try await reader.next() else {
              Issue.record("no failure for \(number)")
              return
            }
            #expect(error.code == .invalid)
          }
        }
      }
      #expect(world.engine.state.withLock { $0.execs.count } == 3)
    }
  }

  @Test func aClientThatGoesAwayTakesItsCommandWithIt() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await Self.session(world) { reader, outbound in
        try await outbound.write(Self.chunk(.start(ExecStart(command: ["cat"])), .stdin([1])))
        #expect(try await reader.next() == .stdout([1]))
      }
      try await eventually { world.engine.state.withLock { $0.cancelled } > 0 }
    }
  }

  @Test func aConnectionThatNeverStartsIsClosed() async throws {
    var settings = ControlWorld.Settings()
    settings.limits.bodyTimeout = .milliseconds(200)
    try await ControlWorld.run(settings) { world in
      try await world.makeAgent("demo", of: .alice)
      try await Self.session(world) { reader, _ in
        // The head of the answer and perhaps a last frame, then the end: it does not hang.
        while let frame = try await reader.next() { #expect(frame != .exit(0)) }
      }
      // A shell may pause as long as it likes once it has begun.
      try await Self.session(world) { reader, outbound in
        try await outbound.write(Self.chunk(.start(ExecStart(command: ["cat"])), .stdin([1])))
        #expect(try await reader.next() == .stdout([1]))
        try await Task.sleep(for: .milliseconds(600))
        try await outbound.write(Self.chunk(.stdin([2]), .endOfInput))
        #expect(try await reader.next() == .stdout([2]))
        #expect(try await reader.next() == .exit(7))
      }
    }
  }

  @Test func unknownAgentsAreAnsweredBeforeAnyFrame() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .bob)
      let answer = try await world.call(.execInAgent, as: .alice, ["name": "demo"], bytes: [])
      #expect(answer.status == 404 && answer.code == "not_found")
    }
  }
}
