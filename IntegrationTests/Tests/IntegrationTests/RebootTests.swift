import Foundation
import Testing

/// The machine goes down in the middle of work: no process, no interface, no firewall, nothing in memory is left.
@Suite struct RebootTests {
  @Test func whatShouldRunRunsAgain() async throws {
    try await withPlatform { platform in
      try await platform.start("wanted", reaching: ["allowed.test"])
      try await platform.pcli("exec", "wanted", "--", "sh", "-c", "echo remembered > /data/note; sync")
      try await platform.start("resting")
      try await platform.pcli("stop", "resting")
      try await platform.start("dead", reaching: ["allowed.test"])
      try await platform.pcli("kill", "dead", "--reason", "a test")

      try await loseEverything(platform)
      try await platform.up()
      try await waitUntil("the agent runs again") { try await platform.phase("wanted") == "Running" }
      #expect(try await platform.pcli("exec", "wanted", "--", "cat", "/data/note").output == "remembered\n")
      #expect(try await platform.ask("wanted", platform.https("allowed.test") + "/echo").status == 200)
      #expect(try await platform.phase("resting") == "Stopped")
      #expect(try await platform.phase("dead") == "Killed")
      try await platform.pcli("run", "dead", expect: 5)
      try await platform.pcli("audit", "verify")
    }
  }

  /// What a power cut takes: the processes, then what the kernel held, then the files that a boot clears.
  private func loseEverything(_ platform: Platform) async throws {
    let daemon = try platform.daemon()
    #expect(kill(daemon, SIGKILL) == 0)
    try await waitUntil("no process is left") {
      let left = try platform.processes()
      for process in left { kill(process, SIGKILL) }
      return left.isEmpty
    }
    try await platform.removeNetwork()
    let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8).split(separator: "\n")
    for mount in mounts.compactMap({ $0.split(separator: " ").dropFirst().first }).reversed() where mount.hasPrefix(platform.home) {
      _ = try await run("/usr/bin/umount", ["-l", String(mount)])
    }
    try FileManager.default.removeItem(atPath: platform.home + "/run")
  }
}
