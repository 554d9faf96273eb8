import Foundation
import Testing

/// An agent that does nothing is warned, stopped and woken. The shortest time that may be asked for is a minute.
@Suite struct IdleTests {
  @Test(.timeLimit(.minutes(5))) func restsAndIsWokenByACommand() async throws {
    let platform = try await Platform.shared.get()
    try await platform.pcli("create", "sleepy", "--template", "shell", "--idle-after", "1m")
    try await platform.pcli("run", "sleepy")
    try await platform.pcli("exec", "sleepy", "--", "sh", "-c", "echo kept > /data/note")
    var phase = ""
    while phase != "Idle" {
      phase = try await platform.pcli("get", "agents", "sleepy", "-o", "json").json()["status"]["phase"].string ?? ""
      try #require(phase == "Idle" || phase == "Running")
      try await Task.sleep(for: .milliseconds(500))
    }
    let told = try await platform.pcli("describe", "sleepy").output
    #expect(told.contains("Last activity") && told.contains("it did nothing for too long"), "\(told)")
    let events = try await platform.pcli("audit", "--agent", "sleepy", "--component", "lifecycle", "-o", "json").output
    let warning = try #require(events.firstRange(of: "\"idle-warning\""))
    let stop = try #require(events.firstRange(of: "\"idle-stop\""))
    #expect(warning.lowerBound < stop.lowerBound)
    // A command in it starts it again, with its data.
    #expect(try await platform.pcli("exec", "sleepy", "--", "cat", "/data/note").output == "kept\n")
    #expect(try await platform.pcli("get", "agents", "sleepy", "-o", "json").json()["status"]["phase"].string == "Running")
    try await platform.pcli("delete", "sleepy", "--purge")
  }
}
