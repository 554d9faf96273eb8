import FoundationEssentials
package import PalanaAPI
package import PalanaCore

/// A secret as the server receives it. It has no `Encodable` conformance, so the values cannot go anywhere by accident.
package struct SecretAddRequest: Decodable, Sendable {
  /// `[A-Za-z_][A-Za-z0-9_]{0,63}`.
  package var name: String
  /// Nil: proxy-only.
  package var access: SecretBindingSpec.Access?
  package var values: [String: Redacted<String>]
  /// `HOST[:PORT]`. Nil: the usual ones of well-known names. Empty: none, so that no request may carry it.
  package var hosts: [String]?
  /// `header:NAME`, `basic`, `query:NAME`, `path`, `body`, `websocket`, `aws-sigv4`. Nil: the usual ones.
  package var places: [String]?
  /// The placeholder of the only key, or `shape:NAME` for one that is made in that shape.
  package var placeholder: String?
  /// Whether another credential in one of the places is refused. Nil: no.
  package var require: Bool?
  /// What AWS requests are signed for, with the place `aws-sigv4`.
  package var aws: AWSScope?
  /// `HOST[:PORT]` that tokens may go to which an endpoint gives in answer to the secret. Nil: such answers pass as they are.
  package var tokenHosts: [String]?
  /// Nil: the values are what the gateway puts in. Else they are the parameters with which it gets a token.
  package var type: SecretMinting?

  private enum CodingKeys: String, CodingKey {
    case name, access, values, hosts, places, placeholder, require, aws, tokenHosts, type
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name = try container.decode(String.self, forKey: .name)
    access = try container.decodeIfPresent(SecretBindingSpec.Access.self, forKey: .access)
    values = try container.decode([String: String].self, forKey: .values).mapValues { Redacted($0) }
    hosts = try container.decodeIfPresent([String].self, forKey: .hosts)
    places = try container.decodeIfPresent([String].self, forKey: .places)
    placeholder = try container.decodeIfPresent(String.self, forKey: .placeholder)
    require = try container.decodeIfPresent(Bool.self, forKey: .require)
    aws = try container.decodeIfPresent(AWSScope.self, forKey: .aws)
    tokenHosts = try container.decodeIfPresent([String].self, forKey: .tokenHosts)
    type = try container.decodeIfPresent(SecretMinting.self, forKey: .type)
  }
}

/// New values as the server receives them.
package struct SecretRotateRequest: Decodable, Sendable {
  package var values: [String: Redacted<String>]

  private enum CodingKeys: String, CodingKey { case values }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    values = try container.decode([String: String].self, forKey: .values).mapValues { Redacted($0) }
  }
}

/// Where a proxy-only secret may go and stand from now on; what is absent stays.
package struct SecretBindRequest: Codable, Hashable, Sendable {
  package var hosts: [String]?
  package var places: [String]?
  package var require: Bool?
  package var aws: AWSScope?
  package var tokenHosts: [String]?

  package init(
    hosts: [String]? = nil, places: [String]? = nil, require: Bool? = nil, aws: AWSScope? = nil, tokenHosts: [String]? = nil
  ) {
    self.hosts = hosts
    self.places = places
    self.require = require
    self.aws = aws
    self.tokenHosts = tokenHosts
  }
}

/// Builds, on the client, the body of a request that carries secret values.
package enum SecretPayload {
  private struct Body: Encodable {
    var name: String?
    var access: SecretBindingSpec.Access?
    var values: [String: String]
    var hosts: [String]?
    var places: [String]?
    var placeholder: String?
    var require: Bool?
    var aws: AWSScope?
    var tokenHosts: [String]?
    var type: SecretMinting?
  }

  /// The body of `addSecret`.
  package static func add(
    name: String, access: SecretBindingSpec.Access?, values: [String: Redacted<String>], hosts: [String]?,
    places: [String]?, placeholder: String?, require: Bool? = nil, aws: AWSScope? = nil, tokenHosts: [String]? = nil,
    type: SecretMinting? = nil
  ) throws -> Redacted<[UInt8]> {
    let body = Body(
      name: name, access: access, values: values.mapValues { $0.reveal() }, hosts: hosts, places: places,
      placeholder: placeholder, require: require, aws: aws, tokenHosts: tokenHosts, type: type)
    return Redacted(Array(try JSONEncoder().encode(body)))
  }

  /// The body of `rotateSecret`.
  package static func rotate(values: [String: Redacted<String>]) throws -> Redacted<[UInt8]> {
    Redacted(Array(try JSONEncoder().encode(Body(values: values.mapValues { $0.reveal() }))))
  }
}

/// What may be known of a secret.
package struct SecretSummary: Codable, Hashable, Sendable {
  package var name: String
  package var access: SecretBindingSpec.Access
  /// The keys with what the agent sees for each.
  package var keys: [SecretKey]
  /// `HOST:PORT`. Empty for a proxy-only secret: it is inert.
  package var hosts: [String]
  package var places: [String]
  /// Whether another credential in one of the places is refused. Nil: no.
  package var require: Bool?
  /// What AWS requests are signed for.
  package var aws: AWSScope?
  /// Where tokens may go that an endpoint gives in answer to the secret.
  package var tokenHosts: [String]?
  /// What the gateway makes tokens with it for; absent when the stored values are put in themselves.
  package var type: SecretMinting?
  /// Counts rotations.
  package var revision: Int
  package var createdAt: Timestamp?

  package init(
    name: String, access: SecretBindingSpec.Access, keys: [SecretKey], hosts: [String], places: [String],
    require: Bool? = nil, aws: AWSScope? = nil, tokenHosts: [String]? = nil, type: SecretMinting? = nil, revision: Int,
    createdAt: Timestamp? = nil
  ) {
    self.name = name
    self.access = access
    self.keys = keys
    self.hosts = hosts
    self.places = places
    self.require = require
    self.aws = aws
    self.tokenHosts = tokenHosts
    self.type = type
    self.revision = revision
    self.createdAt = createdAt
  }
}

/// The secrets of an agent, by name.
package struct SecretList: Codable, Hashable, Sendable {
  package var items: [SecretSummary]
  package init(items: [SecretSummary]) { self.items = items }
}
