import Foundation
import Testing

/// A run that reasons in circles is cut off from models and marked, until the next one.
@Suite struct ReasoningTests {
  /// Asks a model so many times, each time something else, and prints the statuses.
  private static func asking(_ times: Int) -> String {
    """
    import json, os, urllib.error, urllib.request
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for number in range(\(times)):
        body = {"model": "gpt-4o-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "question" + "abcdefg" * number}]}
        request = urllib.request.Request(os.environ["PALANA_LLM_BASE_URL"] + "/chat/completions", json.dumps(body).encode())
        request.add_header("content-type", "application/json")
        try:
            print(opener.open(request).status)
        except urllib.error.HTTPError as error:
            print(error.code, json.loads(error.read())["error"].get("code"), error.headers.get("x-should-retry"))
    """
  }

  private func withModel(_ body: (Platform) async throws -> Void) async throws {
    let file = "/tmp/palana-it-model-\(UUID().uuidString)"
    let process = Process()
    process.executableURL = URL(filePath: Checkout.python)
    process.arguments = [Checkout.root + "IntegrationTests/upstream/model.py", file]
    let lifeline = Pipe()
    process.standardInput = lifeline
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    defer {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      try? FileManager.default.removeItem(atPath: file)
    }
    try await waitUntil("the model listens") { FileManager.default.fileExists(atPath: file) }
    let port = try String(contentsOfFile: file, encoding: .utf8)
    try await withPlatform(configuration: "llm: {routes: {unified: {upstream: \"http://127.0.0.1:\(port)\"}}}", body)
  }

  private func apply(_ platform: Platform, _ manifest: String) async throws {
    try await platform.pcli("apply", "-f", "-", input: manifest)
  }

  private func escalation(_ platform: Platform, _ agent: String) async throws -> JSON? {
    try await platform.pcli("get", "agents", agent, "-o", "json").json()["status"]["conditions"].array.first {
      $0["type"].string == "Escalated"
    }
  }

  @Test(.timeLimit(.minutes(5))) func aRunThatIsStuckIsCutOff() async throws {
    try await withModel { platform in
      try await apply(
        platform,
        """
        apiVersion: palana.dev/v1alpha1
        kind: Agent
        metadata: {name: stuck}
        spec: {template: shell, reasoning: {tier: simple, maxCalls: 2}}
        """)
      func ask() async throws -> [String] {
        try await platform.python("stuck", Self.asking(3)).split(separator: "\n").map(String.init)
      }
      try await waitUntil("it runs") { try await platform.phase("stuck") == "Running" }
      #expect(try await escalation(platform, "stuck") == nil)
      #expect(try await ask() == ["200", "200", "429 reasoning_limit false"])

      try await waitUntil("it is marked") { try await escalation(platform, "stuck") != nil }
      let condition = try #require(try await escalation(platform, "stuck"))
      #expect(condition["status"].string == "True" && condition["reason"].string == "ReasoningLimit")
      #expect(condition["message"].string?.contains("2 are allowed") == true)
      #expect(try await platform.pcli("list").output.contains("Running, Escalated"))
      #expect(try await platform.pcli("describe", "stuck").output.contains("Escalated=True ReasoningLimit"))
      let events = try await platform.pcli("audit", "--agent", "stuck", "--component", "llm", "-o", "json").jsonLines()
      let trips = events.filter { $0["action"].string == "circuit-break" }
      #expect(trips.count == 1)
      #expect(trips.first?["details"]["limit"].string == "calls")

      // It stays so when the daemon dies.
      let daemon = try platform.daemon()
      kill(daemon, SIGKILL)
      try await waitUntil("the daemon is gone") { !isAlive(daemon) }
      try await platform.up()
      try await waitUntil("it runs") { try await platform.phase("stuck") == "Running" }
      #expect(try await ask() == Array(repeating: "429 reasoning_limit false", count: 3))
      #expect(try await escalation(platform, "stuck") != nil)

      // The next run begins anew.
      try await platform.pcli("restart", "stuck")
      try await waitUntil("it is no longer marked") { try await escalation(platform, "stuck") == nil }
      try await waitUntil("it runs") { try await platform.phase("stuck") == "Running" }
      #expect(try await ask() == ["200", "200", "429 reasoning_limit false"])
    }
  }

  /// What good runs took bounds those that come after them.
  @Test(.timeLimit(.minutes(5))) func goodRunsTighten() async throws {
    try await withModel { platform in
      func manifest(_ times: Int) throws -> String {
        let source = String(decoding: try JSONEncoder().encode(Self.asking(times)), as: UTF8.self)
        return """
          apiVersion: palana.dev/v1alpha1
          kind: Agent
          metadata: {name: quick}
          spec:
            image: host
            command: [/usr/bin/python3, -c, \(source)]
            lifecycle: {desired: Stopped, restart: Never}
            reasoning: {tier: simple}
          """
      }
      try await apply(platform, try manifest(1))
      for _ in 0..<20 { try await platform.pcli("run", "quick", "--wait") }
      try await apply(platform, try manifest(4))
      let output = try await platform.pcli("run", "quick", "--wait").output
      let logs = try await platform.pcli("logs", "quick").output
      let told = (output + logs).split(separator: "\n").suffix(4)
      #expect(told.map(String.init) == ["200", "200", "429 reasoning_limit false", "429 reasoning_limit false"], "\(output)\(logs)")
    }
  }
}
