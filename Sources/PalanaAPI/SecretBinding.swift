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
  /// `header:NAME`, `basic`, `query:NAME`, `path`, `body`, `websocket`, `aws-sigv4`. Empty: `header:authorization` and `basic`.
  package var places: [String]
  /// Whether requests to the hosts that carry another credential in one of the places are refused. Nil: no.
  package var require: Bool?
  /// What AWS requests are signed for; with the place `aws-sigv4`.
  package var aws: AWSScope?
  /// `HOST` or `HOST:PORT` that tokens may go to which an endpoint gives in answer to a request with the secret: the agent gets
  /// placeholders of them. Nil: such answers pass as they are.
  package var tokenHosts: [String]?
  /// Absent: the stored values are what the gateway puts in. Else it puts in a token that it gets with them.
  package var type: SecretMinting?
  /// Counts rotations; a change makes the gateway forget what it holds.
  package var revision: Int

  package init(
    owner: UserIdentity? = nil, agent: String, secret: String, access: Access, keys: [SecretKey], hosts: [String],
    places: [String], require: Bool? = nil, aws: AWSScope? = nil, type: SecretMinting? = nil, revision: Int
  ) {
    self.owner = owner
    self.agent = agent
    self.secret = secret
    self.access = access
    self.keys = keys
    self.hosts = hosts
    self.places = places
    self.require = require
    self.aws = aws
    self.type = type
    self.revision = revision
  }
}

/// The region and the service that AWS Signature Version 4 names in the scope of a signature.
package struct AWSScope: Codable, Hashable, Sendable {
  /// For example `eu-west-1`.
  package var region: String
  /// For example `s3`.
  package var service: String

  package init(region: String, service: String) {
    self.region = region
    self.service = service
  }

  /// 1 to 64 lower-case letters, digits and dashes.
  package static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) || $0 == 45 }
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
