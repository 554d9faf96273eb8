package import PalanaCore
package import PalanaPolicy

/// A placeholder of one agent, ready for the data path: what to look for, where it may stand, where it may go.
package struct PlaceholderBinding: Hashable, Sendable {
  /// A place in a request where the placeholder may stand.
  package enum Place: Hashable, Sendable {
    /// Lower-case header name.
    case header(String)
    /// User name or password of `Authorization: Basic`.
    case basic
    /// The value of the query parameter of this name.
    case query(String)
    /// A segment of the path, or part of one.
    case path
    /// A text in a JSON, form or multipart body.
    case body
    /// A text message of a websocket.
    case websocket
    /// The access key of an AWS Signature Version 4, which the gateway makes again.
    case awsSigV4
  }

  /// What an access key signs for, and where the rest of it lives.
  package struct Signing: Hashable, Sendable {
    /// The region and the service in the scope of its signatures.
    package var region: String
    package var service: String
    package var secretKey: SecretRef
    /// Of temporary credentials.
    package var sessionToken: SecretRef?

    package init(region: String, service: String, secretKey: SecretRef, sessionToken: SecretRef? = nil) {
      self.region = region
      self.service = service
      self.secretKey = secretKey
      self.sessionToken = sessionToken
    }
  }

  /// What the agent writes; its UTF-8 is searched for.
  package var placeholder: String
  /// The name for audit events, for example `GITHUB_PAT`.
  package var secretName: String
  package var ref: SecretRef
  /// Where the request must go. Empty: the placeholder is inert.
  package var destinations: [BoundDestination]
  package var places: Set<Place>
  /// Whether a request to a destination may carry nothing but placeholders in the places.
  package var isRequired: Bool
  /// For the access key id of a secret that signs AWS requests.
  package var signing: Signing?
  /// Where tokens may go that an endpoint gives in answer to a request with the secret. Empty: such answers pass as they are.
  package var tokenDestinations: [BoundDestination] = []
  /// Grows with each rotation.
  package var revision: Int

  package init(
    placeholder: String, secretName: String, ref: SecretRef, destinations: [BoundDestination], places: Set<Place>,
    isRequired: Bool = false, signing: Signing? = nil, revision: Int
  ) {
    self.placeholder = placeholder
    self.secretName = secretName
    self.ref = ref
    self.destinations = destinations
    self.places = places
    self.isRequired = isRequired
    self.signing = signing
    self.revision = revision
  }
}

/// A destination that a secret may be sent to; always https unless the operator wrote `http://` in front.
package struct BoundDestination: Hashable, Sendable {
  package var host: HostPattern
  package var port: UInt16
  package var scheme: EgressRequest.Scheme

  package init(host: HostPattern, port: UInt16, scheme: EgressRequest.Scheme = .https) {
    self.host = host
    self.port = port
    self.scheme = scheme
  }
}

/// Where the gateway gets values from. The implementation caches within a documented life and never returns a stale one.
package protocol SecretValueSource: Sendable {
  /// The value if it is in memory and fresh: no suspension, for the data path.
  func cachedValue(of ref: SecretRef, revision: Int) -> Redacted<String>?
  /// Fetches the value. `notFound`: there is none (revoked, expired); `unreachable`: the store is down; `denied`: revoked for this agent.
  func value(of ref: SecretRef, revision: Int) async throws(PalanaError) -> Redacted<String>
}
