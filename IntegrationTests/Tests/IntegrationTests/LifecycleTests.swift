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
}
