import Glibc
import Logging
import PalanaCore
import PalanaPlan
import Testing

@testable import PalanaLocal

extension SandboxSuites {
  @Suite("after a restart of the daemon")
  struct Recovery {
    /// Another daemon over the same home.
    private static func second(_ fixture: SandboxFixture) async throws -> SandboxRuntime {
      let runtime = SandboxRuntime(configuration: fixture.configuration, logger: Logger(label: "second"))
      try await runtime.prepare()
      return runtime
    }

    @Test("what runs is found, its log and commands go on, its end is known")
    func running() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sh", "-c", "trap 'exit 6' TERM; echo ready; while :; do sleep 0.02; done"])
        let started = try await fixture.start(plan)
        try await fixture.wait(for: "ready", in: plan.id)
        let runtime = try await Self.second(fixture)
        #expect(runtime.state(of: plan.id) == .running(started))
        #expect(runtime.list().count == 1)
        #expect(try await runtime.usage(of: plan.id).pids >= 2)
        let exit = try await runtime.stop(plan.id, grace: .seconds(10))
        #expect(exit?.code == 6)
        // Both daemons know.
        #expect(try await fixture.runtime.awaitExit(of: plan.id).code == 6)
      }
    }

    @Test("what ended meanwhile is known by how it ended")
    func ended() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sh", "-c", "exit 4"])
        let (_, exit) = try await fixture.finish(plan)
        let runtime = try await Self.second(fixture)
        #expect(runtime.state(of: plan.id) == .exited(exit))
        #expect(try await runtime.awaitExit(of: plan.id) == exit)
      }
    }

    @Test("a start that another daemon is in the middle of is waited for")
    func starting() async throws {
      try await SandboxFixture.run { fixture in
        let plans = try (0..<8).map { try fixture.plan(["/bin/sleep", "600"], name: "a\($0)") }
        async let all: Void = withThrowingTaskGroup(of: Void.self) { group in
          for plan in plans { group.addTask { try await fixture.start(plan) } }
          try await group.waitForAll()
        }
        let runtime = try await Self.second(fixture)
        try await all
        for (id, state) in runtime.list() { #expect(state == fixture.runtime.state(of: id)) }
      }
    }

    @Test("a shim that is killed takes its sandbox with it, and the agent can start again")
    func shimKilled() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        let running = try await fixture.start(plan)
        let process = try #require(ProcessHandle.find(running.pid))
        _ = Glibc.kill(running.shim, SIGKILL)
        let exit = try await fixture.runtime.awaitExit(of: plan.id)
        #expect(exit.reason == .lost)
        #expect(await process.ends(within: .seconds(5), try ReadinessPoller.shared()))
        let (text, again) = try await fixture.finish(try fixture.plan(["/bin/echo", "again"]))
        #expect(text == "again\n")
        #expect(again.run == 2)
      }
    }

    @Test("the same while no daemon looked")
    func shimKilledUnseen() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        let running = try await fixture.start(plan)
        let process = try #require(ProcessHandle.find(running.pid))
        _ = Glibc.kill(running.shim, SIGSTOP)
        _ = Glibc.kill(running.shim, SIGKILL)
        let runtime = try await Self.second(fixture)
        let exit = try await runtime.awaitExit(of: plan.id)
        #expect(exit.reason == .lost)
        #expect(await process.ends(within: .seconds(5), try ReadinessPoller.shared()))
      }
    }

    @Test("the numbers of another boot mean nothing")
    func reboot() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/true"])
        _ = try await fixture.finish(plan)
        let folder = fixture.runtime.paths.agent(plan.id)
        // As if the machine had gone down while it ran; the process numbers are this test's own.
        try Files.remove(folder + "/exit")
        let text =
          "{\"run\":1,\"boot\":\"other\",\"shim\":\(getpid()),\"shimStart\":1,\"pid\":\(getpid()),\"pidStart\":1,\"time\":1}"
        try Files.write(Array(text.utf8), to: folder + "/started")
        let runtime = try await Self.second(fixture)
        guard case .exited(let exit) = runtime.state(of: plan.id) else {
          Issue.record("it is \(runtime.state(of: plan.id))")
          return
        }
        #expect(exit.reason == .lost)
      }
    }

    @Test("nothing is left on the machine when a sandbox has ended")
    func traces() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        try await fixture.runtime.kill(plan.id)
        #expect(!Files.exists("\(fixture.runtime.paths.crunRoot)/\(plan.id)"))
        #expect(Files.names(in: fixture.runtime.paths.bundle).isEmpty)
        let mounts = String(decoding: Files.read("/proc/self/mounts") ?? [], as: UTF8.self)
        #expect(!mounts.contains(plan.id.text))
        let loops = try await Program.run("/usr/sbin/losetup", ["-j", fixture.runtime.paths.dataImage(plan.id)])
        #expect(loops.out.isEmpty, "\(String(decoding: loops.out, as: UTF8.self))")
        for controller in ["memory", "pids", ""] {
          #expect(!Files.exists("/sys/fs/cgroup/\(controller)/\(fixture.configuration.cgroupParent)/\(plan.id)"))
        }
      }
    }

    @Test("secrets change in a running sandbox")
    func secrets() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan, secrets: ["A": "1", "B/x": "2", "B/y": "3"])
        try await fixture.runtime.updateSecrets(
          of: plan.id, files: ["A": Redacted(Array("new".utf8)), "B/y": Redacted([52]), "C/z": Redacted([53])])
        let seen = try await fixture.exec(
          plan.id,
          [
            "/bin/sh", "-c",
            "cd /run/secrets; find . -type f | sort | while read f; do echo $f $(cat $f) $(stat -c %a $f); done",
          ])
        #expect(seen.out == "./A new 400\n./B/y 4 400\n./C/z 5 400\n")
        await #expect { try await fixture.runtime.updateSecrets(of: plan.id, files: ["../x": Redacted([])]) } throws: {
          ($0 as? PalanaError)?.code == .invalid
        }
      }
    }
  }
}

extension ProcessHandle {
  /// Whoever has this number now.
  static func find(_ pid: Int32) -> ProcessHandle? {
    guard let text = Files.read("/proc/\(pid)/stat").map({ String(decoding: $0, as: UTF8.self) }),
      let end = text.lastIndex(of: ")"), let start = UInt64(text[text.index(after: end)...].split(separator: " ")[19])
    else { return nil }
    return ProcessHandle(pid: pid, start: start)
  }
}
