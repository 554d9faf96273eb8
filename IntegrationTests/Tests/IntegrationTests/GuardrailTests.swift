import Foundation
import Testing

/// Rego guardrails of the operator, in front of everything that rules allow.
@Suite struct GuardrailTests {
  @Test func aGuardrailDeniesWhatRulesAllow() async throws {
    let folder = FileManager.default.temporaryDirectory.path(percentEncoded: false) + "/rego-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try """
    package palana.egress

    deny contains "no deletions" if input.request.method == "DELETE"

    deny contains "interns keep out of other.test" if {
      input.agent.labels.team == "interns"
      input.request.host == "other.test"
    }
    """.write(toFile: folder + "/guard.rego", atomically: true, encoding: .utf8)
    try await withPlatform(configuration: "opa: {bundles: [\"\(folder)\"]}") { platform in
      try await platform.start("guarded", reaching: ["allowed.test", "other.test"])
      let allowed = platform.https("allowed.test") + "/echo"
      let answers = try await platform.ask("guarded", [Ask(url: allowed), Ask(method: "DELETE", url: allowed)])
      #expect(answers.map(\.status) == [200, 403])
      #expect(answers[1].reason == "policy_denied")
      let test = try await platform.pcli("egress", "test", "guarded", "DELETE", allowed, "-o", "json", expect: 4).json()
      #expect(test["reason"].string == "policy_denied")
      #expect(test["explanation"].string?.contains("no deletions") == true)

      #expect(try await platform.ask("guarded", platform.https("other.test") + "/echo").status == 200)
      try await platform.pcli("create", "intern", "--template", "shell", "--label", "team=interns")
      try await platform.pcli("egress", "allow", "intern", "other.test:\(platform.upstream.httpsPort)")
      try await platform.pcli("run", "intern")
      #expect(try await platform.ask("intern", platform.https("other.test") + "/echo").reason == "policy_denied")
    }
  }
}
