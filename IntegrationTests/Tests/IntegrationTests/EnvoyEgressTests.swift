import Foundation
import Testing

/// The whole platform with Envoy as the data plane: agents, commands and secrets need no change.
@Suite(.enabled(if: Checkout.hasEnvoy))
struct EnvoyEgressTests {
  static let egress = ["dataPlane: envoy", "envoy: {unscrubbed: true}"]

  @Test func agentsWorkAsWithTheBuiltInGateway() async throws {
    try await withPlatform(egress: Self.egress) { platform in
      let allowed = "allowed.test:\(platform.upstream.httpsPort)"
      try await platform.pcli("create", "one", "--template", "shell")
      try await platform.pcli("egress", "allow", "one", allowed)
      try await platform.pcli("secrets", "add", "one", "HDR", "token=-", "--host", allowed, input: "the-value-of-it")
      try await platform.pcli("run", "one")
      let bearer = [["authorization", "Bearer TOKEN_HDR"]]
      let answers = try await platform.ask(
        "one",
        [
          Ask(url: platform.https("allowed.test") + "/echo/plain"),
          Ask(url: platform.https("allowed.test") + "/echo/secret", headers: bearer),
          Ask(url: platform.https("other.test") + "/echo/denied"),
          Ask(method: "POST", url: platform.https("allowed.test") + "/echo/posted"),
        ])
      #expect(answers.map(\.status) == [200, 200, 403, 200])
      #expect(answers[2].reason == "host_not_allowed")
      let received = try platform.upstream.received().filter { $0["path"].string == "/echo/secret" }
      #expect(received.count == 1)
      #expect(received.first?["headers"].array.contains { $0[1].string == "Bearer the-value-of-it" } == true)

      // An ordinary program needs nothing but its environment.
      let curl = try await platform.pcli(
        "exec", "one", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", platform.https("allowed.test") + "/echo")
      #expect(curl.output == "200")

      // A change holds when the command has returned.
      try await platform.pcli("egress", "deny", "one", allowed)
      #expect(try await platform.ask("one", platform.https("allowed.test") + "/echo").reason == "policy_denied")
      try await waitUntil("the events are stored") { try await platform.egressEvents("one").count >= 6 }
      let events = try await platform.egressEvents("one")
      #expect(events.count == 6, "\(events)")
      #expect(events.filter { $0["decision"].string == "deny" }.count == 2)
      let status = try await platform.pcli("status").output
      #expect(status.contains("Envoy"))
      try await platform.pcli("audit", "verify")
    }
  }

  @Test func aKillHoldsOverARestart() async throws {
    try await withPlatform(egress: Self.egress) { platform in
      try await platform.start("victim", reaching: ["allowed.test"])
      try await platform.start("bystander", reaching: ["allowed.test"])
      let url = platform.https("allowed.test")
      async let stream = platform.pcli("exec", "victim", "--", "curl", "-sSN", "-o", "/dev/null", url + "/sse", expect: nil)
      async let other = platform.pcli("exec", "bystander", "--", "curl", "-sS", url + "/drip/100", expect: nil)
      try await waitUntil("both flow") {
        Set(try platform.upstream.received().compactMap { $0["path"].string }).isSuperset(of: ["/sse", "/drip/100"])
      }
      try await platform.pcli("kill", "victim", "--reason", "a test")
      #expect(try await stream.code != 0)
      let untouched = try await other
      #expect(untouched.code == 0 && untouched.output.hasSuffix("line 99\n"))
      try await platform.pcli("down", "--keep-agents")
      try await platform.up()
      #expect(try await platform.phase("victim") == "Killed")
      #expect(try await platform.ask("bystander", url + "/echo").status == 200)
      try await platform.pcli("audit", "verify")
    }
  }
}
