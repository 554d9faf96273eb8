package import PalanaAPI
package import PalanaCore

/// Which placeholder and which variable stand for each key of a proxy-only secret.
package enum PlaceholderNaming {
  /// The start of every placeholder that was not chosen by a person.
  package static let prefix = "TOKEN_"
  /// Bytes of the longest placeholder.
  package static let longest = 256

  /// The keys of a secret with what the agent sees for each, in the order of their names.
  ///
  /// - Parameters:
  ///   - custom: replaces the placeholder; only for a secret with one key. `shape:NAME` makes one for each key, see
  ///     ``PlaceholderShape``.
  ///   - taken: placeholders of the agent's other secrets.
  /// - Throws: ``PalanaError`` with code `invalid`, or `conflict` when a placeholder is another secret's already.
  package static func keys(
    ofSecret secret: String, keys: some Collection<String>, access: SecretBindingSpec.Access, custom: String? = nil,
    taken: Set<String> = []
  ) throws(PalanaError) -> [SecretKey] {
    try SecretNames.check(secret: secret)
    guard !keys.isEmpty else {
      throw PalanaError(.invalid, "a secret has at least one key", hint: "write KEY=VALUE, for example token=…")
    }
    let names = Set(keys).sorted()
    guard names.count == keys.count else { throw PalanaError(.invalid, "a key of the secret was given twice") }
    for key in names { try SecretNames.check(key: key, isFile: access == .agentReadable) }
    if access == .agentReadable {
      guard custom == nil else {
        throw PalanaError(.invalid, "an agent-readable secret has no placeholder: the agent reads the value itself")
      }
      return names.map { SecretKey(key: $0) }
    }
    let shape = try custom.flatMap { (text) throws(PalanaError) in try PlaceholderShape.parse(text) }
    if let custom, shape == nil {
      guard names.count == 1 else {
        throw PalanaError(
          .invalid, "a placeholder can be chosen only for a secret with one key",
          hint: "add one secret for each key, or leave the placeholders to Palana")
      }
      try PlaceholderRules.check(custom)
    }
    var seen = taken
    var result: [SecretKey] = []
    for key in names {
      let isMain = names.count == 1 || key == "token"
      let placeholder =
        if let shape, shape.suits(key: key, of: names) {
          shape.make(besides: seen)
        } else {
          (shape == nil ? custom : nil) ?? standard(secret: secret, key: isMain ? nil : key)
        }
      guard seen.insert(placeholder).inserted else {
        throw PalanaError(
          .conflict, "the placeholder \(placeholder) stands for something else already",
          hint: "choose another name, or another placeholder with --placeholder")
      }
      result.append(
        SecretKey(key: key, placeholder: placeholder, variable: isMain ? secret : "\(secret)_\(key.uppercased())"))
    }
    guard Set(result.compactMap(\.variable)).count == result.count else {
      throw PalanaError(
        .invalid, "two keys of the secret would share a variable: they differ only in upper and lower case")
    }
    return result
  }

  /// `TOKEN_NAME`, or `TOKEN_NAME_KEY`; always upper case, so that every standard placeholder has the shape
  /// `TOKEN_[A-Z0-9_]+` and an unknown one is recognised.
  package static func standard(secret: String, key: String?) -> String {
    let name = prefix + secret.uppercased()
    return key.map { "\(name)_\($0.uppercased())" } ?? name
  }
}
