import PalanaAPI
import PalanaAudit
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// `%2F` in a path: part of a name for some upstreams, a slash for others. It opens no way around a rule.
@Suite(.timeLimit(.minutes(10)))
struct EncodedSlashTests {
  private static let rows: [(allow: [String], deny: [String], target: String, reason: String?)] = [
    ([], [], "/@scope%2fname", nil),
    (["/projects/**"], [], "/projects/group%2Fname/issues", nil),
    (["/projects/*/issues"], [], "/projects/group%2Fname/issues", "path_not_allowed"),
    (["/projects/*%2F*/issues"], [], "/projects/group%2fname/issues", nil),
    (["/projects/*%2F*/issues"], [], "/projects/group/name/issues", "path_not_allowed"),
    (["/projects/*"], [], "/projects/a%2F..%2Fb", "malformed_request"),
    (["/**"], ["/admin/**"], "/admin%2Fusers", "policy_denied"),
    (["/**"], ["/admin/**"], "/%2Fadmin/users", "policy_denied"),
    (["/**"], ["/a/*/secret"], "/a%2Fb%2Fsecret", "policy_denied"),
    (["/**"], ["/a/*"], "/a/b%2Fc", "policy_denied"),
    (["/**"], ["/a%2Fb"], "/a%2fb", "policy_denied"),
    (["/**"], [], "/a%252Fb", "malformed_request"),
    (["/**"], [], "/a%2F%2e%2e%2Fb", "malformed_request"),
    (["/**"], [], "/a%5Cb", "malformed_request"),
  ]

  @Test func bothReadingsAreJudged() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    try await GatewayFixture.run(options) { fixture, upstream in
      for (index, row) in Self.rows.enumerated() {
        let ports = [Int(upstream.port)]
        var rules = GatewayFixture.Options()
        rules.rulesA = [EgressRule(host: "allowed.test", ports: ports, paths: row.allow)]
        if !row.deny.isEmpty {
          rules.rulesA?.append(EgressRule(action: .deny, host: "allowed.test", ports: ports, paths: row.deny))
        }
        await fixture.gateway.apply(try fixture.snapshot(UInt64(index) + 2, options: rules))
        let answer = try await fixture.client { wire in
          try await wire.send(fixture.plain(row.target))
          return try await wire.response()
        }
        #expect(answer?.reason == row.reason, "\(row)")
        // What passes reaches the upstream as one segment, in the spelling that was judged.
        if row.reason == nil {
          #expect(answer?.body.hasPrefix("GET \(row.target.replacing("%2f", with: "%2F")) HTTP/1.1") == true, "\(row)")
        }
      }
      #expect(upstream.requests.count == 3)
    }
  }

  @Test func aGuardrailIsAskedAboutBothReadings() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    options.guardrails = [NoAdmin()]
    try await GatewayFixture.run(options) { fixture, upstream in
      for (target, status) in [("/admin/x", 403), ("/admin%2Fx", 403), ("//admin/x", 403), ("/user%2Fx", 200)] {
        let answer = try await fixture.client { wire in
          try await wire.send(fixture.plain(target))
          return try await wire.response()
        }
        #expect(answer?.status == status, "\(target)")
      }
      #expect(upstream.requests.count == 1)
    }
  }

  /// As a guardrail in Rego with `startswith` would be.
  private struct NoAdmin: Guardrail {
    var version: String { "1" }

    func evaluate(_ request: EgressRequest) async -> GuardrailAnswer {
      let denies = request.path?.hasPrefix("/admin/") == true
      return GuardrailAnswer(
        denies ? .deny(.policyDenied, rule: "no-admin", explanation: "no") : .abstain, validFor: .seconds(60))
    }
  }
}
