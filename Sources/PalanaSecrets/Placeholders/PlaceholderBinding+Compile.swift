package import PalanaAPI
package import PalanaCore

extension PlaceholderBinding {
  /// The usable form of a written binding: one for each key that has a placeholder. Agent-readable secrets have none.
  ///
  /// Without places it is `header:authorization` and `basic`.
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
    try checkRequire(spec, places)
    try checkSigning(spec, places)
    var tokenDestinations: [BoundDestination] = []
    for (index, host) in (spec.tokenHosts ?? []).enumerated() {
      do { tokenDestinations.append(try BoundDestination.parse(host)) } catch { throw error.at("spec.tokenHosts[\(index)]") }
    }
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
          placeholder: placeholder, secretName: spec.secret, ref: SecretRef(path: path, key: key.key, minting: spec.type),
          destinations: destinations, places: AWSKey(rawValue: key.key).flatMap { spec.aws == nil ? nil : $0.places } ?? places,
          isRequired: spec.require ?? false, signing: signing(spec, key.key, path), revision: spec.revision))
    }
    for index in result.indices { result[index].tokenDestinations = tokenDestinations }
    return result
  }

  /// The keys of a secret that signs AWS requests.
  private enum AWSKey: String, CaseIterable {
    case accessKeyID = "access_key_id"
    case secretKey = "secret_access_key"
    case sessionToken = "session_token"

    /// Only the identifier and the session token ever stand in a request.
    var places: Set<Place> {
      switch self {
      case .accessKeyID: [.awsSigV4]
      case .secretKey: []
      case .sessionToken: [.header("x-amz-security-token")]
      }
    }
  }

  private static func signing(_ spec: SecretBindingSpec, _ key: String, _ path: SecretPath) -> Signing? {
    guard let scope = spec.aws, key == AWSKey.accessKeyID.rawValue else { return nil }
    let hasToken = spec.keys.contains { $0.key == AWSKey.sessionToken.rawValue }
    return Signing(
      region: scope.region, service: scope.service, secretKey: SecretRef(path: path, key: AWSKey.secretKey.rawValue),
      sessionToken: hasToken ? SecretRef(path: path, key: AWSKey.sessionToken.rawValue) : nil)
  }

  /// In a path, a body or a message nobody can tell another credential from other text.
  private static func checkRequire(_ spec: SecretBindingSpec, _ places: Set<Place>) throws(PalanaError) {
    guard spec.require == true else { return }
    let canTell = places.contains { place in
      switch place {
      case .header, .basic, .query, .awsSigV4: true
      case .path, .body, .websocket: false
      }
    }
    guard canTell else {
      throw PalanaError(
        .invalid, "spec.require: another credential can be recognised only in a header, Basic, a query or an AWS signature",
        hint: "bind the secret to one of these places, or leave --require out")
    }
  }

  private static func checkSigning(_ spec: SecretBindingSpec, _ places: Set<Place>) throws(PalanaError) {
    guard places.contains(.awsSigV4) else {
      if spec.aws != nil {
        throw PalanaError(.invalid, "spec.aws: a region and a service are for the place aws-sigv4")
      }
      return
    }
    guard places.count == 1 else {
      throw PalanaError(.invalid, "spec.places: aws-sigv4 cannot stand with other places")
    }
    guard let aws = spec.aws, AWSScope.isName(aws.region), AWSScope.isName(aws.service) else {
      throw PalanaError(
        .invalid, "spec.aws: aws-sigv4 needs the region and the service that requests are signed for",
        hint: "for example --aws-region eu-west-1 --aws-service s3")
    }
    let names = Set(spec.keys.map(\.key))
    guard names.isSubset(of: AWSKey.allCases.map(\.rawValue)),
      names.isSuperset(of: [AWSKey.accessKeyID.rawValue, AWSKey.secretKey.rawValue])
    else {
      throw PalanaError(
        .invalid, "spec.keys: aws-sigv4 needs the keys access_key_id and secret_access_key, and may have session_token")
    }
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
