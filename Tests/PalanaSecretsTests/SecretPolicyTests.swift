import PalanaSecrets
import Testing

@Suite struct SecretPolicyTests {
  /// The text that a person reviews. A change here is a change of who may read what.
  @Test func thePoliciesAreThese() {
    let granted = SecretPurpose.allCases.map { purpose in
      (
        purpose,
        SecretPolicy.grants(for: purpose).dropLast(3).map { "\($0.path) \($0.capabilities.joined(separator: ","))" }
      )
    }
    let expected: [(SecretPurpose, [String])] = [
      (.gateway, ["kv/data/proxy-secrets/* read", "kv/data/installation/* create,read"]),
      (
        .control,
        [
          "kv/data/agents/* create,patch,update", "kv/metadata/agents/* delete,list,read",
          "kv/data/proxy-secrets/* create,patch,update", "kv/metadata/proxy-secrets/* delete,list,read",
        ]
      ),
      (.runtime, ["kv/data/agents/* read"]),
      (
        .admin,
        [
          "sys/policies/acl/palana-* create,read,update", "auth/approle/role/palana-* create,read,update",
          "kv/config create,read,update",
        ]
      ),
      (
        .operator,
        [
          "sys/policies/acl list", "sys/policies/acl/palana-agent-* create,delete,read,update", "auth/kubernetes/role list",
          "auth/kubernetes/role/palana-agent-* create,delete,read,update",
        ]
      ),
    ]
    #expect(granted.map(\.0) == expected.map(\.0))
    #expect(granted.map(\.1) == expected.map(\.1))
  }

  @Test(arguments: SecretPurpose.allCases) func everyTokenCaresForItselfAndIsNobodyElse(purpose: SecretPurpose) {
    let own = SecretPolicy.grants(for: purpose).suffix(3).map(\.path)
    #expect(own == ["auth/token/lookup-self", "auth/token/renew-self", "auth/token/revoke-self"])
    #expect(!SecretPolicy.text(for: purpose).contains("sudo"))
    #expect(!SecretPolicy.grants(for: purpose).contains { $0.path == "*" || $0.path.hasPrefix("+") })
  }
}
