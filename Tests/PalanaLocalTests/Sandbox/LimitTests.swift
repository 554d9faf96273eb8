import Glibc
import PalanaCore
import PalanaPlan
import Testing

@testable import PalanaLocal

extension SandboxSuites {
  @Suite("limits")
  struct Limits {
    @Test("too much memory is an OOM kill, told as such")
    func memory() async throws {
      try await SandboxFixture.run { fixture in
        let (_, exit) = try await fixture.finish(
          try fixture.plan(["/bin/sh", "-c", "exec tail /dev/zero"], memory: 32 << 20))
        #expect(exit.reason == .oomKilled)
        #expect(exit.oomKills >= 1)
        #expect(exit.code == 137)
        #expect(exit.memoryPeakBytes <= 34 << 20)
      }
    }

    @Test("a child that is killed for memory does not make the agent's own end one")
    func childMemory() async throws {
      try await SandboxFixture.run { fixture in
        let (text, exit) = try await fixture.finish(
          try fixture.plan(["/bin/sh", "-c", "tail /dev/zero; echo $?; exit 0"], memory: 32 << 20))
        #expect(text.contains("137"))
        #expect(exit.reason == .completed)
        #expect(exit.oomKills >= 1)
      }
    }

    @Test("memory in /tmp counts as the agent's")
    func tmpfs() async throws {
      try await SandboxFixture.run { fixture in
        let (text, _) = try await fixture.finish(
          try fixture.plan(
            ["/bin/sh", "-c", "head -c 100M /dev/zero 2>&1 > /tmp/x; stat -c %s /tmp/x"], memory: 64 << 20))
        #expect(text.contains("No space left on device"))
      }
    }

    @Test("a fork bomb stays within the number of processes")
    func pids() async throws {
      try await SandboxFixture.run { fixture in
        // The shell gives up at the first fork that fails; the outer one needs none to go on.
        let plan = try fixture.plan(
          [
            "/bin/sh", "-c",
            "(i=0; while [ $i -lt 200 ]; do sleep 600 & i=$((i+1)); done; echo all); echo over; exec sleep 600",
          ], pids: 20)
        try await fixture.start(plan)
        try await fixture.wait(for: "over", in: plan.id)
        let usage = try await fixture.runtime.usage(of: plan.id)
        #expect((10...20).contains(usage.pids))
        let text = try await fixture.log(plan.id)
        #expect(!text.contains("all\n"))
        try await fixture.runtime.kill(plan.id)
      }
    }

    @Test("processor time is limited and reported")
    func cpu() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(
          ["/bin/sh", "-c", "while :; do :; done & while :; do :; done & while :; do :; done"], cpuMilli: 200)
        let running = try await fixture.start(plan)
        _ = await fixture.runtime.exit(of: plan.id, within: .seconds(2))
        let exit = try #require(try await fixture.runtime.kill(plan.id))
        let wall = (exit.time - running.startedAt).milliseconds / 1000
        #expect(exit.cpuSeconds > 0.05)
        // 0.2 processors, with room for the first period and a busy machine.
        #expect(exit.cpuSeconds < wall * 0.2 + 0.3, "\(exit.cpuSeconds) s in \(wall) s")
      }
    }

    @Test("usage of a running sandbox")
    func usage() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sh", "-c", "head -c 1M /dev/zero > /data/x; echo ready; sleep 60"])
        try await fixture.start(plan)
        try await fixture.wait(for: "ready", in: plan.id)
        let usage = try await fixture.runtime.usage(of: plan.id)
        #expect(usage.memoryBytes > 0)
        #expect((2...6).contains(usage.pids))
        #expect(usage.dataBytes >= 1 << 20)
        #expect(usage.dataCapacity > 32 << 20 && usage.dataCapacity <= 64 << 20)
        #expect(usage.oomKills == 0)
      }
    }

    @Test("a frozen sandbox does nothing, can be thawed, stopped and killed")
    func freeze() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sh", "-c", "while :; do echo tick; sleep 0.02; done"])
        try await fixture.start(plan)
        try await fixture.wait(for: "tick", in: plan.id)
        try await fixture.runtime.setFrozen(true, plan.id)
        let before = try await fixture.runtime.usage(of: plan.id).cpuSeconds
        _ = await fixture.runtime.exit(of: plan.id, within: .milliseconds(300))
        #expect(try await fixture.runtime.usage(of: plan.id).cpuSeconds - before < 0.02)
        let exit = try await fixture.runtime.kill(plan.id)
        #expect(exit?.signal == SIGKILL)
      }
    }

    @Test("no devices but the harmless ones, and no network but the given one")
    func devices() async throws {
      try await SandboxFixture.run { fixture in
        let (text, _) = try await fixture.finish(
          try fixture.plan([
            "/bin/sh", "-c", "ls /dev | tr '\\n' ' '; cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '",
          ]))
        #expect(
          text.hasPrefix("core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ")
            || text.hasPrefix("fd full mqueue"), "\(text)")
        #expect(text.contains("lo\n"))
      }
    }
  }
}
