package import PalanaCore

/// Gives agents in a cluster the right to read their own secrets, keeps it as it was given, and takes it away.
///
/// A role refers to a policy whose name holds digits made by chance. A grant that was taken away and is given again has other ones, so
/// that tokens of before, wherever they are now, stay worthless for ever: the store knows their policy no more.
package struct AgentGrants: Sendable {
  package enum Outcome: Hashable, Sendable {
    case same
    /// There was none.
    case given
    /// What differed, such as `policy` or `audience`.
    case changed([String])
  }

  private let store: VaultClient
  private let mount: String

  /// - Parameters:
  ///   - store: with the rights of the purpose `operator`.
  ///   - mount: of the auth method of service accounts.
  /// - Throws: ``PalanaError`` with code `invalid` for a mount that is no name.
  package init(store: VaultClient, mount: String) throws(PalanaError) {
    try KubernetesLogin.check(mount: mount)
    self.store = store
    self.mount = mount
  }

  /// The roles of agents that there are, and those of which only a policy was left.
  ///
  /// - Throws: ``PalanaError``: `denied`, `unreachable`, `failed`; so for all of these.
  package func roles() async throws(PalanaError) -> Set<String> {
    let policies = try await store.names(below: "sys/policies/acl").compactMap(AgentGrant.role(ofPolicy:))
    return Set(try await store.names(below: "auth/\(mount)/role").filter { $0.hasPrefix(AgentGrant.prefix) } + policies)
  }

  /// Makes policy and role what they are wanted to be, with no write when they are.
  package func ensure(_ grant: AgentGrant) async throws(PalanaError) -> Outcome {
    guard let role = try await store.kubernetesRole(grant.name, at: mount) else {
      try await give(grant)
      return .given
    }
    // Without its own policy a role was half given, half taken away, or given by somebody else.
    guard role.policies.count == 1, let name = role.policies.first, AgentGrant.isPolicy(name, of: grant.name),
      let policy = try await store.policy(name)
    else {
      try await give(grant)
      return .changed(["token_policies"])
    }
    var differences: [String] = []
    if policy != grant.policy {
      try await store.writePolicy(name, grant.policy)
      differences.append("policy")
    }
    let wanted = grant.role(policy: name)
    let others = wanted.differences(role)
    if !others.isEmpty {
      try await store.writeKubernetesRole(grant.name, wanted, at: mount)
      differences += others
    }
    return differences.isEmpty ? .same : .changed(differences)
  }

  /// Takes everything away: after it no token of the agent reads anything, and none is given. It is fine when there is nothing.
  ///
  /// - Parameter name: ``AgentGrant/role(namespace:)``.
  package func withdraw(_ name: String) async throws(PalanaError) {
    // What tokens have first, then the way to new ones.
    try await forgetPolicies(of: name, but: nil)
    try await store.deleteKubernetesRole(name, at: mount)
    // One that was written between the two, by an operator that did not know yet that it leads no more.
    try await forgetPolicies(of: name, but: nil)
  }

  private func give(_ grant: AgentGrant) async throws(PalanaError) {
    let policy = AgentGrant.newPolicyName(grant.name)
    try await store.writePolicy(policy, grant.policy)
    try await store.writeKubernetesRole(grant.name, grant.role(policy: policy), at: mount)
    try await forgetPolicies(of: grant.name, but: policy)
  }

  private func forgetPolicies(of role: String, but kept: String?) async throws(PalanaError) {
    for name in try await store.names(below: "sys/policies/acl") where AgentGrant.isPolicy(name, of: role) && name != kept {
      try await store.deletePolicy(name)
    }
  }
}
