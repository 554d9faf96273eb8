import PalanaCore
import PalanaPlan
import Testing

@testable import PalanaLocal

extension SandboxSuites {
  @Suite("logs of sandboxes")
  struct RunningLogs {
    /// Writes 8,000 numbered lines, some 800 KB, when `/data/go` appears.
    private static let writer = [
      "/bin/sh", "-c",
      """
      echo ready; until [ -e /data/go ]; do sleep 0.02; done
      i=0; while [ $i -lt 8000 ]; do i=$((i+1)); echo line $i ................................................; done
      echo done; sleep 600
      """,
    ]

    @Test("follow across rotations without losing or repeating a line")
    func rotation() async throws {
      try await SandboxFixture.run(logFileBytes: 64 << 10, logFiles: 40) { fixture in
        let plan = try fixture.plan(Self.writer)
        try await fixture.start(plan)
        var numbers: [Int] = []
        for try await line in try await fixture.runtime.logs(of: plan.id, LogOptions(follow: true)) {
          if line.text == "ready" { _ = try await fixture.exec(plan.id, ["touch", "/data/go"]) }
          if line.text == "done" { break }
          if line.text.hasPrefix("line ") { numbers.append(Int(line.text.split(separator: " ")[1]) ?? 0) }
        }
        #expect(numbers == Array(1...8000))
        #expect(Files.names(in: fixture.runtime.paths.logs(plan.id, run: 1)).count > 5)
      }
    }

    @Test("bounded on the disk; the last lines across files")
    func bounded() async throws {
      try await SandboxFixture.run(logFileBytes: 64 << 10) { fixture in
        let plan = try fixture.plan(Self.writer)
        try await fixture.start(plan)
        try await fixture.wait(for: "ready", in: plan.id)
        _ = try await fixture.exec(plan.id, ["touch", "/data/go"])
        try await fixture.wait(for: "done", in: plan.id)
        let files = Files.names(in: fixture.runtime.paths.logs(plan.id, run: 1))
        #expect(files.count <= 3 && files.first != "000001.log", "\(files)")
        let tail = try await fixture.log(plan.id, LogOptions(tail: 2))
        #expect(tail.split(separator: "\n").map { $0.prefix(9) } == ["line 8000", "done"])
        #expect(try await fixture.log(plan.id, LogOptions(tail: 1000)).split(separator: "\n").count == 1000)
        #expect(try await fixture.log(plan.id, LogOptions(tail: 0)).isEmpty)
      }
    }

    @Test("the previous run, and following into the next one, to the end of the agent")
    func runs() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sh", "-c", "echo first"])
        _ = try await fixture.finish(plan)
        await #expect(throws: PalanaError.self) { try await fixture.log(plan.id, LogOptions(previous: true)) }
        let second = try fixture.plan(["/bin/sh", "-c", "echo second"])
        let followed = try await fixture.runtime.logs(of: plan.id, LogOptions(follow: true))
        async let lines = {
          var lines: [String] = []
          for try await line in followed { lines.append(line.text) }
          return lines
        }()
        try await fixture.wait(for: "first", in: plan.id)
        _ = try await fixture.finish(second)
        #expect(try await fixture.log(plan.id, LogOptions(previous: true)) == "first\n")
        #expect(try await fixture.log(plan.id) == "second\n")
        try await fixture.wait(for: "second", in: plan.id)
        try await fixture.runtime.remove(plan.id, purge: true)
        #expect(try await lines.first == "first")
      }
    }

    @Test("since, long lines, bytes that are no text, and a last line without an end")
    func contents() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(
          [
            "/bin/sh", "-c",
            "head -c 40000 /dev/zero | tr '\\0' x; echo; printf 'a\\377b\\n'; sleep 0.05; echo late >&2; printf open",
          ])
        _ = try await fixture.finish(plan)
        var lines: [LogLine] = []
        for try await line in try await fixture.runtime.logs(of: plan.id, LogOptions()) { lines.append(line) }
        // The two outputs are two pipes: their order among each other is nobody's promise.
        let out = lines.filter { $0.stream == .stdout }
        #expect(out.map(\.text.utf8.count) == [16_384, 16_384, 7232, 5, 4])
        #expect(out[3].text == "a\u{fffd}b")
        #expect(out.last?.text == "open")
        #expect(lines.filter { $0.stream == .stderr }.map(\.text) == ["late"])
        #expect(lines.map(\.time) == lines.map(\.time).sorted())
        let since = try await fixture.log(plan.id, LogOptions(since: out[4].time))
        #expect(since.hasSuffix("open\n") && !since.contains("xxx"))
      }
    }
  }
}

@Suite("log format")
struct LogFormatTests {
  @Test(
    "lines that a crash cut off are skipped",
    arguments: [
      "", "2026", "2026-11-21T00:48:35.120034Z", "2026-11-21T00:48:35.120034Z stdin  F x",
      "x-11-21T00:48:35.120034Z stdout F a",
    ])
  func broken(text: String) {
    #expect(LogFormat.parse(Array(text.utf8)[...]) == nil)
  }

  @Test("a whole line")
  func whole() throws {
    let line = try #require(LogFormat.parse(Array("2026-11-21T00:48:35.120034Z stderr P a b ".utf8)[...]))
    #expect(line.text == "a b ")
    #expect(line.stream == .stderr)
    #expect(line.time.description == "2026-11-21T00:48:35.120034Z")
  }
}
