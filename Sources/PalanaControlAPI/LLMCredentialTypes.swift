import FoundationEssentials
package import PalanaCore

/// The value of a route's credential as the server receives it. It has no `Encodable` conformance, so that it cannot go anywhere by
/// accident.
package struct LLMCredentialRequest: Decodable, Sendable {
  package var value: Redacted<String>
  /// Nil: the one that the route's configuration names.
  package var key: String?

  private enum CodingKeys: String, CodingKey { case value, key }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    value = Redacted(try container.decode(String.self, forKey: .value))
    key = try container.decodeIfPresent(String.self, forKey: .key)
  }

  private struct Body: Encodable {
    var value: String
    var key: String?
  }

  /// Builds the body on the client.
  package static func payload(value: Redacted<String>, key: String?) throws -> Redacted<[UInt8]> {
    Redacted(Array(try JSONEncoder().encode(Body(value: value.reveal(), key: key))))
  }
}

/// A credential that a route proves itself with.
package struct LLMCredentialItem: Codable, Hashable, Sendable {
  package enum Scope: String, Codable, CaseIterable, Sendable {
    /// Each agent's own secret of this name.
    case agent
    /// The route's, the same for all agents.
    case route
  }

  package enum State: String, Codable, CaseIterable, Sendable {
    case stored, missing
    /// It is stored, and the configuration does not name it.
    case unused
    /// Each agent has one or has none.
    case perAgent = "per-agent"
  }

  package var route: String
  /// Name of the secret.
  package var secret: String
  package var scope: Scope
  /// Of the secret; empty when nothing uses it.
  package var keys: [String]
  /// Names of the upstreams that get it.
  package var upstreams: [String]
  package var state: State

  package init(route: String, secret: String, scope: Scope, keys: [String], upstreams: [String], state: State) {
    self.route = route
    self.secret = secret
    self.scope = scope
    self.keys = keys
    self.upstreams = upstreams
    self.state = state
  }
}

/// The credentials of all routes, without values.
package struct LLMCredentialList: Codable, Hashable, Sendable {
  package var items: [LLMCredentialItem]

  package init(items: [LLMCredentialItem]) { self.items = items }
}
