import PalanaAPI
package import PalanaCore

/// What an agent in a cluster may read of the secret store: exactly the secrets that it reads itself, with the service account of its
/// pod.
///
/// The policy names each secret whole. No path of it ends in `*`, so that nothing beside the agent's own secrets is meant whatever owners
/// and agents are called: an owner stands in it as ``SecretPath/segment(of:)`` writes it, without `/`, `*`, `+` or a segment of dots, and
/// the names of agents and secrets have none of these.
package struct AgentGrant: Hashable, Sendable {
  /// What the names of all of them begin with, and of no policy of the platform's own.
  package static let prefix = "palana-agent-"

  /// The role, and what the names of its policies begin with.
  package let name: String
  /// Whose service account it is for.
  package let namespace: String
  package let serviceAccount: String
  /// Whom the service account's token has to be for.
  package let audience: String
  private let folder: KVPath
  private let secrets: [KVPath]

  /// - Parameters:
  ///   - namespace: the agent's own, `agent-…`, which no other agent has.
  ///   - secrets: names of its agent-readable secrets.
  /// - Throws: ``PalanaError`` with code `invalid` for a name that is none.
  package init(
    owner: UserIdentity, agent: ResourceName, namespace: String, serviceAccount: String, audience: String, secrets: [String]
  ) throws(PalanaError) {
    name = try Self.role(namespace: namespace)
    self.namespace = namespace
    self.serviceAccount = serviceAccount
    self.audience = audience
    folder = KVPath.folder(.agents, owner: owner, agent: agent)
    var paths: [KVPath] = []
    for secret in Set(secrets).sorted() {
      paths.append(KVPath(try AgentSecrets.path(owner: owner, agent: agent, secret: secret, access: .agentReadable)))
    }
    self.secrets = paths
  }

  /// The role of the agent whose namespace this is: `palana-agent-…`.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` unless the namespace is a label that begins with `agent-`.
  package static func role(namespace: String) throws(PalanaError) -> String {
    let isLabel = namespace.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) || $0 == 45 }
    guard namespace.hasPrefix("agent-"), namespace.utf8.count <= 63, isLabel else {
      throw PalanaError(.invalid, "‘\(namespace.prefix(80))’ is not the namespace of an agent")
    }
    return "palana-" + namespace
  }

  /// What its tokens may do.
  package var grants: [SecretPolicy.Grant] {
    secrets.map { SecretPolicy.Grant(path: "\(KVPath.mount)/data/\($0)", capabilities: ["read"]) }
      + [SecretPolicy.Grant(path: "\(KVPath.mount)/metadata/\(folder)", capabilities: ["list"])] + SecretPolicy.ownToken
  }

  package var policy: String { SecretPolicy.text(grants) }

  /// The role that gives `policy`.
  func role(policy: String) -> KubernetesRole {
    KubernetesRole(
      serviceAccount: serviceAccount, namespace: namespace, audience: audience, policy: policy, life: 300, longestLife: 3600)
  }

  /// The name of a policy that no earlier token has: `ROLE.8 digits`.
  static func newPolicyName(_ role: String) -> String { "\(role).\(RandomToken.hex(bytes: 4))" }

  /// The role to which a policy of this name belongs.
  static func role(ofPolicy name: String) -> String? {
    guard name.hasPrefix(prefix), let dot = name.lastIndex(of: "."), isPolicy(name, of: String(name[..<dot])) else { return nil }
    return String(name[..<dot])
  }

  /// Whether this is the name of a policy of that role.
  static func isPolicy(_ name: String, of role: String) -> Bool {
    guard name.hasPrefix(role + ".") else { return false }
    let digits = name.utf8.dropFirst(role.utf8.count + 1)
    return digits.count == 8 && digits.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }
}
