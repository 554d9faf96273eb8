import Foundation
import Testing

/// The life of an agent through the command line.
@Suite struct LifecycleTests {
  @Test func runsACommandAndReturnsItsCode() async throws {
    let platform = try await Platform.shared.get()
    try await platform.pcli("run", "exits", "--wait", "--", "sh", "-c", "exit 7", expect: 7)
    let agent = try await platform.pcli("get", "agents", "exits", "-o", "json").json()
    #expect(agent["status"]["lastExit"]["code"].number == 7)
    try await platform.pcli("delete", "exits", "--purge")
    try await platform.pcli("get", "agents", "exits", expect: 3)
  }

  @Test func dataSurvivesStopAndResume() async throws {
    let platform = try await Platform.shared.get()
    try await platform.pcli("create", "keeper", "--template", "shell")
    try await platform.pcli("run", "keeper")
    try await platform.pcli("exec", "keeper", "--", "sh", "-c", "echo remembered > /data/note; echo gone > /tmp/note")
    try await platform.pcli("stop", "keeper")
    #expect(try await platform.pcli("get", "agents", "keeper", "-o", "json").json()["status"]["phase"].string == "Stopped")
    try await platform.pcli("resume", "keeper")
    #expect(try await platform.pcli("exec", "keeper", "--", "cat", "/data/note").output == "remembered\n")
    try await platform.pcli("exec", "keeper", "--", "test", "!", "-e", "/tmp/note")
    try await platform.pcli("delete", "keeper", "--purge")
  }

  @Test func execHandsOnInputAndCode() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("worker")
    #expect(try await platform.pcli("exec", "worker", "--", "cat", input: "one\ntwo\n").output == "one\ntwo\n")
    let failed = try await platform.pcli("exec", "worker", "--", "sh", "-c", "echo out; echo err >&2; exit 9", expect: 9)
    #expect(failed.output == "out\n")
    #expect(failed.error == "err\n")
    try await platform.pcli("exec", "worker", "--", "sh", "-c", "kill -TERM $$", expect: 128 + 15)
    try await platform.pcli("delete", "worker", "--purge")
  }

  @Test func logsHoldWhatTheProcessWrote() async throws {
    let platform = try await Platform.shared.get()
    try await platform.pcli("run", "writer", "--wait", "--", "sh", "-c", "echo first; echo second >&2")
    let logs = try await platform.pcli("logs", "writer")
    #expect((logs.output + logs.error).contains("first"))
    #expect((logs.output + logs.error).contains("second"))
    try await platform.pcli("delete", "writer", "--purge")
  }

  @Test func exitCodesSayWhatWentWrong() async throws {
    let platform = try await Platform.shared.get()
    let rows: [(arguments: [String], code: Int32, word: String)] = [
      (["get", "nosuchkind"], 2, "invalid"),
      (["create", "Not_A_Name"], 2, "invalid"),
      (["get", "agents", "nobody-here"], 3, "not_found"),
      (["--user", "alice", "kill", "--all", "--reason", "a test"], 4, "denied"),
      (["--user", "alice", "audit", "verify"], 4, "denied"),
      (["create", "twice"], 5, "conflict"),
      (["--home", platform.home + "/nothing", "list"], 6, "unreachable"),
    ]
    try await platform.pcli("create", "twice", "--template", "shell")
    for row in rows {
      let finished = try await platform.pcli(row.arguments + ["-o", "json"], expect: nil)
      #expect(finished.code == row.code, "\(row.arguments): \(finished)")
      let error = try JSON(parsing: finished.error.isEmpty ? finished.output : finished.error)["error"]
      #expect(error["code"].string == row.word, "\(row.arguments): \(finished)")
    }
    try await platform.pcli("delete", "twice", "--purge")
  }

  @Test(arguments: [["status"], ["whoami"], ["list"], ["get", "agents"], ["templates", "list"], ["get", "killorders"]])
  func jsonIsJSON(_ arguments: [String]) async throws {
    let platform = try await Platform.shared.get()
    #expect(try await !platform.pcli(arguments + ["-o", "json"]).json().isNull)
  }
}
