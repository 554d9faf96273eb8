package import PalanaCore

/// The value of a secret in what an agent sends.
package struct SecretLeak: Error, Hashable, Sendable {
  /// The name of the secret, and whose it is; never its value.
  package var name: String
  package var path: SecretPath
}

/// Recognises the real values of secrets, of any agent, in what agents send.
package struct LeakGuard: Sendable {
  package struct Secret: Sendable {
    var name: String
    var path: SecretPath
    var agent: AgentID
    /// Bytes of the value.
    var length: Int

    package init(_ binding: PlaceholderBinding, length: Int) {
      name = binding.secretName
      path = binding.ref.path
      agent = AgentID(owner: path.owner, name: path.agent)
      self.length = length
    }
  }

  private let secrets: [Secret]
  package let index: FingerprintIndex

  /// Bytes of the shortest value that is looked for in what other agents send. A refusal tells that a guess was right, so what can
  /// be guessed must not be looked for across agents.
  private static let shortestOfOthers = 16
  /// How often something may be encoded.
  private static let layers = 2

  package init(_ secrets: [Secret], _ fingerprints: [ValueFingerprint], key: FingerprintKey) {
    self.secrets = secrets
    index = FingerprintIndex(fingerprints, key: key)
  }

  package var isEmpty: Bool { index.isEmpty }

  /// Looks through bytes that are complete.
  ///
  /// - Throws: ``SecretLeak`` for a value that must not come from `agent`.
  package func check(_ bytes: Span<UInt8>, of agent: AgentID) throws(SecretLeak) {
    guard !isEmpty else { return }
    try check(values: index.scan(bytes, isFinal: true).matches.map(\.value), of: agent)
  }

  /// Looks through what a server may decode before it reads it: as it is, and behind one and two layers of percent-encoding.
  ///
  /// - Throws: ``SecretLeak`` for a value that must not come from `agent`.
  package func check(encoded text: [UInt8], of agent: AgentID) throws(SecretLeak) {
    guard !isEmpty else { return }
    try check(text.span, of: agent)
    var text = text
    for _ in 0..<Self.layers {
      guard let decoded = PercentEncoding.decoded(text) else { return }
      try check(decoded.span, of: agent)
      text = decoded
    }
  }

  /// Looks through JSON that is complete: as it is, and without the escapes of its texts, also of texts within them.
  ///
  /// - Throws: ``SecretLeak`` for a value that must not come from `agent`.
  package func check(json bytes: borrowing Span<UInt8>, of agent: AgentID) throws(SecretLeak) {
    guard !isEmpty else { return }
    try check(bytes, of: agent)
    guard var text = JSONEscapes.undone(bytes) else { return }
    for layer in 1...Self.layers {
      try check(text.span, of: agent)
      guard layer < Self.layers, let undone = JSONEscapes.undone(text.span) else { return }
      text = undone
    }
  }

  /// Throws when one of the values, by their places in the list of secrets, must not come from `agent`.
  package func check(values: [Int], of agent: AgentID) throws(SecretLeak) {
    for value in values where secrets.indices.contains(value) {
      let secret = secrets[value]
      guard secret.agent == agent || secret.length >= Self.shortestOfOthers else { continue }
      throw SecretLeak(name: secret.name, path: secret.path)
    }
  }
}
