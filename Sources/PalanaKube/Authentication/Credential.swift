import PalanaCore

/// What proves to the API server who asks, at this moment.
struct Credential: Sendable {
  /// Of the `Authorization` field.
  var authorization: Redacted<String>?
  /// A certificate chain and its key, PEM.
  var certificate: Certificate?
  /// When it has to be made anew; nil: never.
  var expires: Timestamp?

  struct Certificate: Sendable {
    var chain: [UInt8]
    var key: Redacted<[UInt8]>
  }

  static func bearer(_ token: Redacted<String>, expires: Timestamp? = nil) -> Credential {
    Credential(authorization: token.map { "Bearer \($0)" }, expires: expires)
  }
}
