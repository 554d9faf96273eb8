package import PalanaAPI
package import PalanaCore

extension SecretBindingSpec {
  /// The binding of a secret that is being added, checked and complete: placeholders named, well-known hosts and places
  /// filled in where none were given.
  ///
  /// - Parameters:
  ///   - hosts: as a person wrote them; nil: the usual ones of a well-known name, else none. Without any the secret is inert.
  ///   - places: as a person wrote them; empty: the usual ones of a well-known name, unless it is inert.
  ///   - type: what tokens are made with it; its only key is then `token`, whatever is stored.
  ///   - placeholder: a chosen placeholder, for a secret with one key, or `shape:NAME`.
  ///   - require: whether another credential in one of the places is refused.
  ///   - aws: what AWS requests are signed for.
  ///   - tokenHosts: where tokens may go that an endpoint gives in answer to the secret.
  ///   - taken: placeholders of the same agent's other secrets.
  /// - Throws: ``PalanaError`` with code `invalid` or `conflict`.
  package static func draft(
    owner: UserIdentity, agent: ResourceName, secret: String, access: Access, keys: some Collection<String>,
    hosts: [String]? = nil, places: [String] = [], type: SecretMinting? = nil, placeholder: String? = nil, require: Bool? = nil,
    aws: AWSScope? = nil, tokenHosts: [String]? = nil, taken: Set<String> = []
  ) throws(PalanaError) -> SecretBindingSpec {
    if access == .agentReadable, hosts?.isEmpty == false || !places.isEmpty || require != nil || aws != nil || tokenHosts != nil {
      throw PalanaError(
        .invalid, "hosts, places and what is required there are for proxy-only secrets",
        hint: "leave them out, or let the gateway keep the value with --proxy-only")
    }
    guard type == nil || access == .proxyOnly && aws == nil else {
      throw PalanaError(.invalid, "only the gateway makes tokens: a secret with a type is proxy-only, and signs nothing")
    }
    let usual = access == .proxyOnly && hosts?.isEmpty != true ? WellKnownSecret.named(secret) : nil
    var spec = SecretBindingSpec(
      owner: owner, agent: agent.text, secret: secret, access: access,
      keys: try PlaceholderNaming.keys(
        ofSecret: secret, keys: type == nil ? Array(keys) : [MintRules.key], access: access, custom: placeholder, taken: taken),
      hosts: hosts ?? usual?.hosts ?? [],
      places: places.isEmpty ? usual?.places ?? [] : places, require: require == true ? true : nil, aws: aws, revision: 1)
    spec.tokenHosts = tokenHosts
    spec.type = type
    _ = try PlaceholderBinding.bindings(from: spec)
    return spec
  }
}
