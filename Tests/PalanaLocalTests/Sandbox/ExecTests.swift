import Glibc
import PalanaCore
import PalanaPlan
import Synchronization
import Testing

@testable import PalanaLocal

extension SandboxSuites {
  @Suite("commands")
  struct Exec {
    @Test("input, both outputs, code; never root; the filter holds; the platform's environment")
    func plain() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        let result = try await fixture.exec(
          plan.id,
          [
            "/bin/sh", "-c",
            "cat; echo err >&2; id -u; grep -E '^(Seccomp|NoNewPrivs|CapBnd):' /proc/self/status; echo $HTTP_PROXY $X; exit 7",
          ],
          input: [.bytes(Array("hello\n".utf8)), .endOfInput], env: ["X": "y"])
        #expect(result.code == 7)
        #expect(result.error == "err\n")
        #expect(
          result.out
            == "hello\n1000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nhttp://demo:t0ken@10.77.0.1:3128 y\n"
        )
      }
    }

    @Test("a pseudo-terminal with its size, resized, and Ctrl-C")
    func terminal() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        let size = ExecRequest.TerminalSize(rows: 33, columns: 101)
        let first = try await fixture.exec(
          plan.id, ["/bin/sh", "-c", "tty; stty size; echo $TERM"], terminal: size, input: [])
        #expect(first.out == "/dev/pts/0\r\n33 101\r\nxterm-256color\r\n")
        let (input, feed) = AsyncStream.makeStream(of: ExecInput.self)
        let out = Mutex("")
        let code = try await fixture.runtime.exec(
          in: plan.id,
          ExecRequest(
            command: ["/bin/sh", "-c", "trap 'stty size; exit 9' INT; echo up; while :; do sleep 0.02; done"],
            terminal: size),
          input: input
        ) { output in
          guard case .stdout(let bytes) = output else { return }
          let text = out.withLock { text in
            text += String(decoding: bytes, as: UTF8.self)
            return text
          }
          if text == "up\r\n" {
            feed.yield(.resize(.init(rows: 50, columns: 60)))
            feed.yield(.bytes([3]))
          }
        }
        #expect(code == 9)
        #expect(out.withLock { $0 }.contains("50 60"))
      }
    }

    @Test("signals")
    func signals() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        let result = try await fixture.exec(plan.id, ["/bin/sleep", "600"], input: [.signal(SIGTERM)])
        #expect(result.code == 128 + SIGTERM)
      }
    }

    @Test("a missing program is 127, a sandbox that does not run is a conflict")
    func failures() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        #expect(try await fixture.exec(plan.id, ["no-such-program"]).code == 127)
        #expect(try await fixture.exec(plan.id, ["/etc/passwd"]).code == 126)
        let other = AgentID(owner: plan.owner, name: try ResourceName("other"))
        await #expect { try await fixture.exec(other, ["true"]) } throws: { ($0 as? PalanaError)?.code == .conflict }
      }
    }

    @Test("twenty megabytes in both directions, byte for byte, with a slow reader")
    func volume() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        let total = 20 << 20
        let count = Mutex(0)
        let input = AsyncStream<ExecInput>(unfolding: { [left = Mutex(total)] in
          let size = left.withLock { left in
            let size = min(left, 100_000)
            left -= size
            return size
          }
          return size > 0 ? .bytes([UInt8](repeating: 65, count: size)) : nil
        })
        let code = try await fixture.runtime.exec(in: plan.id, ExecRequest(command: ["/bin/cat"]), input: input) {
          output in
          if case .stdout(let bytes) = output { count.withLock { $0 += bytes.count } }
          await Task.yield()
        }
        #expect(code == 0)
        #expect(count.withLock { $0 } == total)
      }
    }

    @Test("when whoever asked goes away the command is killed", arguments: [false, true])
    func abandoned(terminal: Bool) async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        let (input, feed) = AsyncStream.makeStream(of: ExecInput.self)
        let (seen, told) = AsyncStream.makeStream(of: Void.self)
        let runtime = fixture.runtime
        let task = Task {
          try await runtime.exec(
            in: plan.id,
            ExecRequest(
              command: ["/bin/sh", "-c", "trap '' HUP TERM; echo up; while :; do sleep 77; done"],
              terminal: terminal ? .init(rows: 24, columns: 80) : nil),
            input: input
          ) { _ in told.yield() }
        }
        for await _ in seen { break }
        task.cancel()
        _ = await task.result
        feed.finish()
        // Process 1 and the agent's own program are left.
        var left = 10
        for _ in 0..<200 where left > 2 {
          left = try await fixture.runtime.usage(of: plan.id).pids
          _ = await fixture.runtime.exit(of: plan.id, within: .milliseconds(20))
        }
        #expect(left == 2)
      }
    }

    @Test("an end of the sandbox ends its commands")
    func killed() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        let (input, feed) = AsyncStream.makeStream(of: ExecInput.self)
        let runtime = fixture.runtime
        let (seen, told) = AsyncStream.makeStream(of: Void.self)
        async let code = runtime.exec(
          in: plan.id, ExecRequest(command: ["/bin/sh", "-c", "echo up; sleep 600"]), input: input
        ) { _ in told.yield() }
        for await _ in seen { break }
        try await fixture.runtime.kill(plan.id)
        #expect(try await code == 137)
        feed.finish()
      }
    }
  }

  @Suite("copying")
  struct Copy {
    private static func tar(_ folder: String) async throws -> [UInt8] {
      try await Program.run("/bin/tar", ["-c", "-f", "-", "-C", folder, "."], limit: 64 << 20).out
    }

    @Test("in and out again, the same bytes")
    func roundTrip() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        let folder = fixture.home + "/source"
        try Files.makeFolder(folder + "/deep")
        let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Files.write(bytes, to: folder + "/deep/file", mode: 0o640)
        let archive = try await Self.tar(folder)
        let pieces = stride(from: 0, to: archive.count, by: 10_000).map {
          Array(archive[$0..<min($0 + 10_000, archive.count)])
        }
        let (stream, feed) = AsyncThrowingStream.makeStream(of: [UInt8].self, throwing: (any Error).self)
        for piece in pieces { feed.yield(piece) }
        feed.finish()
        try await fixture.runtime.copyIn(to: plan.id, directory: "/data", tar: stream)
        let listed = try await fixture.exec(plan.id, ["stat", "-c", "%u %s %a", "/data/deep/file"])
        #expect(listed.out == "1000 3000000 640\n")
        var out: [UInt8] = []
        for try await piece in try await fixture.runtime.copyOut(from: plan.id, path: "/data/deep/") { out += piece }
        try Files.write(out, to: fixture.home + "/out.tar")
        try Files.makeFolder(fixture.home + "/out")
        _ = try await Program.run("/bin/tar", ["-x", "-f", fixture.home + "/out.tar", "-C", fixture.home + "/out"])
        #expect(Files.read(fixture.home + "/out/deep/file") == bytes)
      }
    }

    @Test("links that a hostile agent plants lead nowhere on the machine")
    func links() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        let target = fixture.home + "/victim"
        try Files.makeFolder(target, mode: 0o777)
        try Files.write(Array("machine".utf8), to: target + "/secret", mode: 0o666)
        _ = try await fixture.exec(
          plan.id,
          [
            "/bin/sh", "-c",
            "ln -s \(target) /data/way; ln -s /etc/shadow /data/shadow; ln -s \(target)/secret /data/file",
          ])
        // In: the link's target does not exist in there.
        let source = fixture.home + "/source"
        try Files.makeFolder(source)
        try Files.write(Array("agent".utf8), to: source + "/secret")
        let archive = try await Self.tar(source)
        let (stream, feed) = AsyncThrowingStream.makeStream(of: [UInt8].self, throwing: (any Error).self)
        feed.yield(archive)
        feed.finish()
        await #expect(throws: PalanaError.self) {
          try await fixture.runtime.copyIn(to: plan.id, directory: "/data/way", tar: stream)
        }
        #expect(Files.read(target + "/secret") == Array("machine".utf8))
        // Out: a link is a link in the archive, and nothing of the machine is behind it.
        for path in ["/data/shadow", "/data/file", "/data/way"] {
          var out: [UInt8] = []
          for try await piece in try await fixture.runtime.copyOut(from: plan.id, path: path) { out += piece }
          #expect(!String(decoding: out, as: UTF8.self).contains("machine"))
          #expect(out.count > 156 && out[156] == UInt8(ascii: "2"), "a symbolic link")
        }
        await #expect(throws: PalanaError.self) {
          for try await _ in try await fixture.runtime.copyOut(from: plan.id, path: "/data/way/secret") {}
        }
      }
    }

    @Test("paths that are not plain are refused", arguments: ["data", "/data/../etc", "/data/./x", "/", ""])
    func paths(path: String) async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        await #expect { try await fixture.runtime.copyOut(from: plan.id, path: path) } throws: {
          ($0 as? PalanaError)?.code == .invalid
        }
      }
    }

    @Test("a stream that is dropped ends the command")
    func dropped() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sh", "-c", "head -c 40M /dev/urandom > /data/big; echo ready; sleep 600"])
        try await fixture.start(plan)
        try await fixture.wait(for: "ready", in: plan.id)
        for try await _ in try await fixture.runtime.copyOut(from: plan.id, path: "/data/big") { break }
        var pids = 10
        for _ in 0..<100 where pids > 3 {
          pids = try await fixture.runtime.usage(of: plan.id).pids
          _ = await fixture.runtime.exit(of: plan.id, within: .milliseconds(20))
        }
        #expect(pids <= 3)
      }
    }
  }
}
