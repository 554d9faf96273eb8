import Foundation
import Testing

/// The daemon dies in the middle of work.
@Suite struct CrashTests {
  /// Asks without end, and writes down the number of each request that was answered: `+N`; or was not: `-N`.
  private static let loop =
    #"n=0; while :; do n=$((n+1)); if curl -fsS -m 5 -o /dev/null "$0/echo/$n"; then echo "+$n"; else echo "-$n"; sleep 0.05; fi >> /data/log; done"#

  @Test func anAgentOutlivesTheDaemonAndNothingIsLost() async throws {
    try await withPlatform { platform in
      try await platform.pcli("create", "worker", "--template", "shell")
      try await platform.pcli("egress", "allow", "worker", "allowed.test:\(platform.upstream.httpsPort)")
      try await platform.pcli("run", "worker", "--", "sh", "-c", Self.loop, platform.https("allowed.test"))
      let before = try await platform.pcli("get", "agents", "worker", "-o", "json").json()["status"]
      try await waitUntil("requests flow") { try platform.upstream.received().count > 10 }

      let daemon = try platform.daemon()
      #expect(kill(daemon, SIGKILL) == 0)
      try await waitUntil("the daemon is gone") { !isAlive(daemon) }
      try await platform.pcli("list", expect: 6)
      let atDeath = try platform.upstream.received().count
      // The agent goes on, and finds no way out.
      let log = try #require(try dataFile("log", marker: platform.https("allowed.test")))
      let failed = { try lines(log).filter { $0.hasPrefix("-") }.count }
      let seen = try failed()
      try await waitUntil("the agent tries and fails") { try failed() >= seen + 3 }
      #expect(try platform.upstream.received().count == atDeath)

      try await platform.up()
      let after = try await platform.pcli("get", "agents", "worker", "-o", "json").json()["status"]
      #expect(after["phase"].string == "Running")
      #expect(after["startedAt"] == before["startedAt"])
      #expect(after["restarts"] == before["restarts"])
      try await waitUntil("requests flow again") { try platform.upstream.received().count > atDeath + 5 }
      let answered = Set(try lines(log).dropLast().filter { $0.hasPrefix("+") }.map { "/echo/" + $0.dropFirst() })
      #expect(answered.count > 10)
      try await waitUntil("every answered request has its event") {
        answered.subtracting(try await platform.egressEvents("worker").compactMap { $0["request"]["path"].string }).isEmpty
      }
      try await platform.pcli("audit", "verify")
    }
  }

  /// How a run ended is known although nobody watched, also when the next run begins in the same moment.
  @Test func anEndWhileTheDaemonIsAwayIsKnown() async throws {
    try await withPlatform { platform in
      for (name, restart) in [("once", "never"), ("again", "on-failure")] {
        let script = "trap 'exit 9' TERM; sleep 600 & wait"
        try await platform.pcli("run", name, "--template", "shell", "--restart", restart, "--", "sh", "-c", script)
      }
      try await platform.pcli("down", "--keep-agents")
      let folders = try FileManager.default.contentsOfDirectory(atPath: platform.home + "/agents")
        .map { "\(platform.home)/agents/\($0)" }
      #expect(folders.count == 2)
      for folder in folders {
        let started = try JSON(parsing: String(contentsOfFile: folder + "/started", encoding: .utf8))
        #expect(kill(Int32(try #require(started["pid"].number)), SIGTERM) == 0)
      }
      try await waitUntil("both have ended") {
        folders.allSatisfy { FileManager.default.fileExists(atPath: $0 + "/exit") }
      }
      try await platform.up()
      try await waitUntil("what was wanted is so") {
        let items = try await platform.pcli("get", "agents", "-o", "json").json()["items"].array
        let status = Dictionary(
          items.map { ($0["metadata"]["name"].string ?? "", $0["status"]) }, uniquingKeysWith: { first, _ in first })
        return status["once"]?["phase"].string == "Failed" && status["again"]?["phase"].string == "Running"
          && status["again"]?["restarts"].number == 1
          && status.values.allSatisfy { $0["lastExit"]["code"].number == 9 }
      }
    }
  }

  private func lines(_ file: String) throws -> [Substring] {
    try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
  }

  /// A file of `/data` of the agent whose loop has `marker` in its command line, as this machine sees it.
  private func dataFile(_ name: String, marker: String) throws -> String? {
    for process in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int32(process) != nil {
      let path = "/proc/\(process)/root/data/" + name
      guard let line = try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8),
        line.contains(marker), line.contains("while :"), FileManager.default.fileExists(atPath: path)
      else { continue }
      return path
    }
    return nil
  }
}
