import Foundation
import Testing

/// Many agents at once, each with its own identity.
@Suite struct ManyAgentsTests {
  /// `PALANA_IT_AGENTS`, for a longer run by hand.
  private static let count = ProcessInfo.processInfo.environment["PALANA_IT_AGENTS"].flatMap { Int($0) } ?? 24

  @Test func manyRunAtOnceAndNothingIsLeft() async throws {
    try await withPlatform { platform in
      let names = (0..<Self.count).map { "crowd-\($0)" }
      let url = platform.https("allowed.test")
      // Some at a time: each is a process that waits.
      try await inGroups(names) { name in
        try await platform.pcli("create", name, "--template", "shell", "--memory", "64Mi")
        try await platform.pcli("egress", "allow", name, "allowed.test:\(platform.upstream.httpsPort)")
        try await platform.pcli("run", name)
      }
      let running = try await platform.pcli("get", "agents", "-o", "json").json()["items"].array
      #expect(running.filter { $0["status"]["phase"].string == "Running" }.count == Self.count)
      let addresses = Set(running.compactMap { $0["status"]["address"].string })
      #expect(addresses.count == Self.count)
      try await inGroups(names) { name in
        let curl = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "\(url)/echo/\(name)"]
        let answer = try await platform.pcli(["exec", name, "--"] + curl)
        #expect(answer.output == "200")
      }
      try await waitUntil("every agent's event is stored under its own name") {
        let events = try await platform.pcli("audit", "--component", "egress", "--limit", "10000", "-o", "json").jsonLines()
        let pairs = events.compactMap { event -> String? in
          guard let path = event["request"]["path"].string, let name = event["agent"]["name"].string else { return nil }
          return "/echo/" + name == path ? name : "wrong: \(name) \(path)"
        }
        return Set(pairs) == Set(names)
      }
      try await platform.pcli("kill", "--template", "shell", "--reason", "a test of many")
      let killed = try await platform.pcli("get", "agents", "-o", "json").json()["items"].array
      #expect(killed.allSatisfy { $0["status"]["phase"].string == "Killed" })
      try await platform.pcli("unkill", "--template", "shell", "--reason", "it was a test")
      try await inGroups(names) { try await platform.pcli("delete", $0, "--purge") }
      let links = try FileManager.default.contentsOfDirectory(atPath: "/sys/class/net").filter { $0.hasPrefix(platform.prefix) }
      // The bridge alone.
      #expect(links.count <= 1, "\(links)")
    }
  }

  private func inGroups(_ names: [String], _ body: @Sendable @escaping (String) async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (number, name) in names.enumerated() {
        if number >= 4 { try await group.next() }
        group.addTask { try await body(name) }
      }
      try await group.waitForAll()
    }
  }
}
