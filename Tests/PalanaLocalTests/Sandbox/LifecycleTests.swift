import Glibc
import PalanaAPI
import PalanaCore
import PalanaPlan
import Testing

@testable import PalanaLocal

extension SandboxSuites {
  @Suite("life cycle")
  struct Lifecycle {
    @Test("output, exit code and environment of a run")
    func runs() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sh", "-c", "id -u; pwd; echo $HTTPS_PROXY; echo bad >&2; exit 3"])
        let (text, exit) = try await fixture.finish(plan)
        #expect(text == "1000\n/data\nhttp://demo:t0ken@10.77.0.1:3128\nbad\n")
        #expect(exit.code == 3)
        #expect(exit.reason == .error)
        #expect(exit.run == 1)
        #expect(fixture.runtime.state(of: plan.id) == .exited(exit))
      }
    }

    @Test("a sandbox sees its own storage, secrets and little else")
    func view() async throws {
      try await SandboxFixture.run { fixture in
        let script = """
          ls -A / | tr '\\n' ' '; echo
          cat /run/secrets/PAT /run/secrets/DB/user; echo
          touch /data/x && echo data; touch /x /usr/x /etc/x /run/secrets/x 2>/dev/null || echo read-only
          ls /root /home /var/lib /opt 2>/dev/null | wc -l
          cat /etc/shadow 2>/dev/null | wc -l
          hostname; whoami; tail -c 8 /etc/ssl/certs/ca-certificates.crt
          grep -E '^(Cap(Bnd|Eff|Prm)|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t' | tr '\\n' ' '; echo
          ls /proc | grep -c '^[0-9]'
          """
        let (text, exit) = try await fixture.finish(
          try fixture.plan(["/bin/sh", "-c", script]), secrets: ["PAT": "canary-1", "DB/user": "canary-2"])
        let lines = text.split(separator: "\n").map(String.init)
        #expect(exit.code == 0)
        try #require(lines.count == 11)
        #expect(!lines[0].contains("root") && !lines[0].contains("home") && lines[0].contains("data"))
        #expect(lines[1] == "canary-1canary-2")
        #expect(lines[2] == "data")
        #expect(lines[3] == "read-only")
        #expect(lines[4] == "0")
        #expect(lines[5] == "0")
        #expect(lines[6] == "demo")
        #expect(lines[7] == "agent")
        #expect(lines[8] == "test CA")
        #expect(
          lines[9]
            == "CapPrm:0000000000000000 CapEff:0000000000000000 CapBnd:0000000000000000 NoNewPrivs:1 Seccomp:2 ")
        #expect(Int(lines[10]).map { $0 < 8 } == true)
      }
    }

    @Test("a secret's value and the proxy token stand in no file of the machine")
    func nothingOnDisk() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "60"])
        try await fixture.start(plan, secrets: ["PAT": "canary-on-disk"])
        for needle in ["canary-on-disk", "t0ken@"] {
          let folders = ["agents", "data", "sandbox", "images"].map { "\(fixture.home)/\($0)" }
          let found = try await Program.run("/bin/grep", ["-rl", needle] + folders)
          #expect(found.out.isEmpty, "\(String(decoding: found.out, as: UTF8.self))")
        }
      }
    }

    @Test("storage survives stop and start, also with other ids")
    func storage() async throws {
      try await SandboxFixture.run { fixture in
        var plan = try fixture.plan(["/bin/sh", "-c", "echo one > /data/file"])
        _ = try await fixture.finish(plan)
        #expect(try #require(await fixture.runtime.dataBytes(of: plan.id)) > 0)
        plan = try fixture.plan([
          "/bin/sh", "-c", "cat /data/file; stat -c '%u %g' /data/file /data; echo two >> /data/file",
        ])
        let (text, exit) = try await fixture.finish(plan)
        #expect(text == "one\n1000 1000\n1000 1000\n")
        #expect(exit.run == 2)
      }
    }

    @Test("storage is a limit, grows when asked for, and is reported")
    func storageLimit() async throws {
      try await SandboxFixture.run { fixture in
        let fill =
          "head -c 300M /dev/zero 2>&1 > /data/big; stat -c %s /data/big; rm /data/big; df -B1 /data | tail -1 | awk '{print $2}'"
        let (small, _) = try await fixture.finish(try fixture.plan(["/bin/sh", "-c", fill], storage: 64 << 20))
        #expect(small.contains("No space left on device"))
        let (large, _) = try await fixture.finish(try fixture.plan(["/bin/sh", "-c", fill], storage: 512 << 20))
        #expect(large.contains("314572800"), "\(large)")
      }
    }

    @Test("TERM, then KILL after the grace")
    func stops() async throws {
      try await SandboxFixture.run { fixture in
        let polite = try fixture.plan(
          ["/bin/sh", "-c", "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done"], name: "polite")
        try await fixture.start(polite)
        try await fixture.wait(for: "ready", in: polite.id)
        let exit = try #require(try await fixture.runtime.stop(polite.id, grace: .seconds(10)))
        #expect(exit.code == 5)
        let rude = try fixture.plan(
          ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"], name: "rude")
        try await fixture.start(rude)
        try await fixture.wait(for: "ready", in: rude.id)
        let killed = try #require(try await fixture.runtime.stop(rude.id, grace: .milliseconds(200)))
        #expect(killed.code == 137)
        #expect(killed.reason == .signaled)
        #expect(try await fixture.runtime.stop(rude.id, grace: .seconds(1)) == nil)
      }
    }

    @Test("a second start of the same agent is a conflict, also from another daemon")
    func conflict() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/sleep", "60"])
        try await fixture.start(plan)
        await #expect { try await fixture.start(plan) } throws: { ($0 as? PalanaError)?.code == .conflict }
        await #expect { try await fixture.runtime.remove(plan.id, purge: true) } throws: {
          ($0 as? PalanaError)?.code == .conflict
        }
      }
    }

    @Test("a program that a template requires and that is missing")
    func requires() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(
          ["/bin/true"],
          requires: [RequiredProgram(name: "sh", hint: ""), RequiredProgram(name: "no-such-program", hint: "bring it")])
        await #expect { try await fixture.start(plan) } throws: {
          ($0 as? PalanaError)?.hint == "bring it"
        }
        #expect(fixture.runtime.state(of: plan.id) == .absent)
      }
    }

    @Test("a missing command ends with 127 and says so in the log")
    func missing() async throws {
      try await SandboxFixture.run { fixture in
        let (text, exit) = try await fixture.finish(try fixture.plan(["no-such-program"]))
        #expect(exit.code == 127)
        #expect(text.contains("no-such-program"))
      }
    }

    @Test("control groups go with the last sandbox, and none before it has ended")
    func controlGroups() async throws {
      try await SandboxFixture.run { fixture in
        let parent = fixture.configuration.cgroupParent
        func left() -> [String] {
          (["/sys/fs/cgroup"] + Files.names(in: "/sys/fs/cgroup").map { "/sys/fs/cgroup/\($0)" }).map { "\($0)/\(parent)" }
            .filter { Files.exists($0) }
        }
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        #expect(!left().isEmpty)
        await fixture.runtime.removeControlGroups()
        #expect(try await fixture.exec(plan.id, ["true"]).code == 0)
        #expect(left().contains { Files.exists("\($0)/\(plan.id)") })
        _ = try await fixture.runtime.kill(plan.id)
        try await fixture.runtime.remove(plan.id, purge: true)
        #expect(left().allSatisfy { !Files.exists("\($0)/\(plan.id)") })
        await fixture.runtime.removeControlGroups()
        #expect(left() == [])
      }
    }

    @Test("removal takes folder and, if asked, storage")
    func removes() async throws {
      try await SandboxFixture.run { fixture in
        let plan = try fixture.plan(["/bin/true"])
        _ = try await fixture.finish(plan)
        try await fixture.runtime.remove(plan.id, purge: false)
        #expect(fixture.runtime.state(of: plan.id) == .absent)
        #expect(await fixture.runtime.dataBytes(of: plan.id) != nil)
        try await fixture.runtime.remove(plan.id, purge: true)
        #expect(await fixture.runtime.dataBytes(of: plan.id) == nil)
      }
    }
  }
}

extension SandboxFixture {
  /// Waits until a line of the log holds `text`.
  func wait(for text: String, in id: AgentID) async throws {
    for try await line in try await runtime.logs(of: id, LogOptions(follow: true)) where line.text.contains(text) {
      return
    }
    Issue.record("the log ended without ‘\(text)’")
  }
}
