import PalanaCore
import Testing

@testable import PalanaSecrets

/// What an agent's policy says, for names that try to say more.
@Suite struct AgentGrantTests {
  static let owners = [
    "alice@example.com", "a/b", "a/../b", "..", ".", "*", "+", "a+b@example.com", "**", "a*", "é", "e\u{301}", "\u{ff0e}\u{ff0e}", "a b",
    "x\"}\npath \"*", "%2e%2e", "=2F", "{{identity.entity.id}}", "A", "a",
  ].filter { (try? UserIdentity($0)) != nil }

  private static func grant(_ owner: String, _ agent: String = "demo", secrets: [String] = ["DB"]) throws -> AgentGrant {
    try AgentGrant(
      owner: try UserIdentity(owner), agent: try ResourceName(agent), namespace: "agent-x-\(agent)-0123456789", serviceAccount: "agent",
      audience: "vault", secrets: secrets)
  }

  @Test(arguments: owners) func everyPathIsOneSecretOfThisAgent(owner: String) throws {
    let grant = try Self.grant(owner, secrets: ["DB", "TLS", "DB"])
    let paths = grant.grants.dropLast(3).map { "\($0.path) \($0.capabilities.joined(separator: ","))" }
    let segment = SecretPath.segment(of: try UserIdentity(owner))
    #expect(
      paths == [
        "kv/data/agents/\(segment)/demo/DB read", "kv/data/agents/\(segment)/demo/TLS read", "kv/metadata/agents/\(segment)/demo list",
      ])
    // Nothing that is a pattern, a template or the end of a string, and no segment that a path would lose.
    for path in grant.grants.map(\.path) {
      #expect(path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f } && !path.contains { "*+\"\\{}%?#".contains($0) }, "\(path)")
      #expect(path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }, "\(path)")
    }
    #expect(grant.policy.split(separator: "\n").count == 3 * grant.grants.count)
  }

  @Test func noTwoOwnersShareAPath() throws {
    let policies = try Self.owners.map { try Self.grant($0).policy }
    #expect(Set(policies).count == Self.owners.count)
    #expect(try Self.grant("a", "a").policy != Self.grant("a", "ab").policy)
  }

  @Test(arguments: ["D/B", "*", "D*", "", "..", "DB\"", "1DB", "D-B"]) func aSecretThatHasNoNameIsRefused(secret: String) {
    #expect(throws: PalanaError.self) { try Self.grant("a", secrets: [secret]) }
  }

  @Test(arguments: ["kube-system", "agent-a/b", "agent-*", "agent-A", "", String("agent-" + String(repeating: "a", count: 60))])
  func onlyNamespacesOfAgentsHaveARole(namespace: String) {
    #expect(throws: PalanaError.self) { try AgentGrant.role(namespace: namespace) }
  }

  /// One agent's name may be the beginning of another one's, with digits and all.
  @Test func policiesOfOthersAreNotTakenForOnes() throws {
    let role = try AgentGrant.role(namespace: "agent-x-a-0123456789")
    let longer = try AgentGrant.role(namespace: "agent-x-a-0123456789-abcdef0123")
    #expect(role == "palana-agent-x-a-0123456789")
    for name in [AgentGrant.newPolicyName(role), role + ".00000000"] {
      #expect(AgentGrant.isPolicy(name, of: role) && !AgentGrant.isPolicy(name, of: longer))
    }
    for name in [AgentGrant.newPolicyName(longer), role, role + ".", role + ".0000000", role + ".000000000", role + ".0000000g", "default"]
    {
      #expect(!AgentGrant.isPolicy(name, of: role), "\(name)")
    }
    #expect(AgentGrant.newPolicyName(role) != AgentGrant.newPolicyName(role))
  }

  /// The policies of the platform's own parts are not within the operator's reach.
  @Test func theOperatorReachesNoPolicyOfThePlatform() {
    for purpose in SecretPurpose.allCases { #expect(!purpose.name.hasPrefix(AgentGrant.prefix)) }
  }
}
