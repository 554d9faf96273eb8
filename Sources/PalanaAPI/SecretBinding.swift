package import PalanaCore

/// What the platform knows of a secret without its value: who may use it, where, and what the agent sees instead.
///
/// The values live in the secret store only, at `kv/agents/{user}/{agent}/{secret}` or `kv/proxy-secrets/{user}/{agent}/{secret}`.
/// The resource's name is `{agent}.{secret}` made into a label by the server; the pair in the spec is what identifies it.
package typealias SecretBinding = Resource<SecretBindingSpec>

package struct SecretBindingSpec: ResourceSpec {
  package typealias Status = NoStatus
  package static var kind: String { "SecretBinding" }
  package static var plural: String { "secretbindings" }
  package static var isOwned: Bool { true }

  package enum Access: String, Codable, Sendable, CaseIterable {
    /// The agent reads the value itself, as files under `/run/secrets`.
    case agentReadable = "agent-readable"
    /// The agent sees a placeholder; the gateway puts the value in.
    case proxyOnly = "proxy-only"
  }

  package var owner: UserIdentity?
  /// Name of the agent.
  package var agent: String
  /// Name of the secret, `[A-Za-z_][A-Za-z0-9_]*`, for example `GITHUB_PAT`.
  package var secret: String
  package var access: Access
  /// The keys of the secret with what the agent sees for each.
  package var keys: [SecretKey]
  /// `HOST` or `HOST:PORT` (default 443) as in an egress rule. Empty: inert.
  package var hosts: [String]
  /// `header:NAME`, `basic`, `query:NAME`, `path`, `body`. Empty: `header:authorization` and `basic`.
  package var places: [String]
  /// Counts rotations; a change makes the gateway forget what it holds.
  package var revision: Int

  package init(
    owner: UserIdentity? = nil, agent: String, secret: String, access: Access, keys: [SecretKey], hosts: [String],
    places: [String], revision: Int
  ) {
    self.owner = owner
    self.agent = agent
    self.secret = secret
    self.access = access
    self.keys = keys
    self.hosts = hosts
    self.places = places
    self.revision = revision
  }
}

/// One key of a secret.
package struct SecretKey: Codable, Hashable, Sendable {
  package var key: String
  /// What the agent writes in place of the value; for agent-readable secrets absent.
  package var placeholder: String?
  /// The environment variable in which the agent finds the placeholder; for agent-readable secrets absent.
  package var variable: String?

  package init(key: String, placeholder: String? = nil, variable: String? = nil) {
    self.key = key
    self.placeholder = placeholder
    self.variable = variable
  }
}
