package import PalanaAPI
package import PalanaCore

extension PlaceholderBinding {
  /// The usable form of a written binding: one for each key that has a placeholder. Agent-readable secrets have none.
  ///
  /// Without places it is `header:authorization` and `basic`. The places `query`, `path` and `body` are kept; what the data
  /// path does not support yet it refuses by name.
  ///
  /// - Parameter owner: the owner of the agent, where the spec does not say it.
  /// - Throws: ``PalanaError`` with code `invalid` that names the field.
  package static func bindings(
    from spec: SecretBindingSpec, owner: UserIdentity? = nil
  ) throws(PalanaError) -> [PlaceholderBinding] {
    guard spec.access == .proxyOnly else { return [] }
    guard let owner = spec.owner ?? owner else {
      throw PalanaError(.invalid, "spec.owner: the secret \(SecretNames.shown(spec.secret)) has no owner")
    }
    try SecretNames.check(secret: spec.secret)
    let agent = try ResourceName(spec.agent)
    var destinations: [BoundDestination] = []
    for (index, host) in spec.hosts.enumerated() {
      do { destinations.append(try BoundDestination.parse(host)) } catch { throw error.at("spec.hosts[\(index)]") }
    }
    var places: Set<Place> = []
    for (index, place) in spec.places.enumerated() {
      do { places.insert(try Place.parse(place)) } catch { throw error.at("spec.places[\(index)]") }
    }
    if places.isEmpty { places = [.header("authorization"), .basic] }
    let path = SecretPath(area: .proxySecrets, owner: owner, agent: agent, secret: spec.secret)
    var seen: Set<String> = []
    var result: [PlaceholderBinding] = []
    for (index, key) in spec.keys.enumerated() {
      let field = "spec.keys[\(index)]"
      do { try SecretNames.check(key: key.key, isFile: false) } catch { throw error.at("\(field).key") }
      guard let placeholder = key.placeholder else {
        throw PalanaError(.invalid, "\(field).placeholder: a key of a proxy-only secret needs one")
      }
      do { try check(placeholder, secret: spec.secret, key: key.key) } catch { throw error.at("\(field).placeholder") }
      guard seen.insert(placeholder).inserted else {
        throw PalanaError(.invalid, "\(field).placeholder: \(placeholder) stands for another key already")
      }
      result.append(
        PlaceholderBinding(
          placeholder: placeholder, secretName: spec.secret, ref: SecretRef(path: path, key: key.key),
          destinations: destinations, places: places, revision: spec.revision))
    }
    return result
  }

  /// A standard placeholder is always right; anything else keeps the rules for chosen ones.
  private static func check(_ placeholder: String, secret: String, key: String) throws(PalanaError) {
    if placeholder == PlaceholderNaming.standard(secret: secret, key: nil) { return }
    if placeholder == PlaceholderNaming.standard(secret: secret, key: key) { return }
    try PlaceholderRules.check(placeholder)
  }
}

extension PalanaError {
  /// The same error with the field that it is about in front.
  func at(_ field: String) -> PalanaError { PalanaError(code, "\(field): \(message)", hint: hint) }
}
