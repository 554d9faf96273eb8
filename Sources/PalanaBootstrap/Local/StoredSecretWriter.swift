import PalanaAPI
import PalanaControl
package import PalanaCore
package import PalanaSecrets
package import PalanaStore

/// Keeps the values that the control API takes in: values to the secret store, what may be known of them to the binding.
package struct StoredSecretWriter: SecretWriter {
  private let secrets: AgentSecrets
  private let store: any ResourceStore

  package init(secrets: AgentSecrets, store: any ResourceStore) {
    self.secrets = secrets
    self.store = store
  }

  package func add(
    _ secret: NewSecret, owner: UserIdentity, agent: ResourceName
  ) async throws(PalanaError) -> SecretBinding {
    let taken = try await placeholders(owner: owner, agent: agent, except: secret.name)
    let spec = try SecretBindingSpec.draft(
      owner: owner, agent: agent, secret: secret.name, access: secret.access, keys: secret.values.keys,
      hosts: secret.hosts ?? [], places: secret.places ?? [], placeholder: secret.placeholder, taken: taken)
    let name = try Self.bindingName(agent: agent, secret: secret.name)
    try await secrets.add(
      owner: owner, agent: agent, secret: secret.name, access: secret.access, values: secret.values)
    return SecretBinding(metadata: ObjectMeta(name: name), spec: spec)
  }

  package func rotate(
    _ binding: SecretBinding, values: [String: Redacted<String>]
  ) async throws(PalanaError) -> SecretBinding {
    let (owner, agent) = try Self.place(of: binding)
    let known = Set(binding.spec.keys.map(\.key))
    if let unknown = values.keys.first(where: { !known.contains($0) }) {
      throw PalanaError(
        .invalid, "secret ‘\(binding.spec.secret)’ has no key ‘\(unknown.prefix(64))’",
        hint: "its keys are \(known.sorted().joined(separator: ", "))")
    }
    try await secrets.rotate(
      owner: owner, agent: agent, secret: binding.spec.secret, access: binding.spec.access, values: values)
    var next = binding
    next.spec.revision += 1
    return next
  }

  package func bind(
    _ binding: SecretBinding, hosts: [String]?, places: [String]?
  ) async throws(PalanaError) -> SecretBinding {
    var next = binding
    guard next.spec.access == .proxyOnly else {
      throw PalanaError(.invalid, "secret ‘\(binding.spec.secret)’ is agent-readable: only proxy-only secrets are bound to hosts")
    }
    if let hosts { next.spec.hosts = hosts }
    if let places { next.spec.places = places }
    _ = try PlaceholderBinding.bindings(from: next.spec)
    return next
  }

  package func remove(_ binding: SecretBinding) async throws(PalanaError) {
    let (owner, agent) = try Self.place(of: binding)
    try await secrets.remove(owner: owner, agent: agent, secret: binding.spec.secret, access: binding.spec.access)
  }

  package func removeAll(owner: UserIdentity, agent: ResourceName) async throws(PalanaError) {
    try await secrets.removeAll(owner: owner, agent: agent)
  }

  private func placeholders(
    owner: UserIdentity, agent: ResourceName, except secret: String
  ) async throws(PalanaError) -> Set<String> {
    let bindings = try await store.list(SecretBindingSpec.self, owner: owner)
    return Set(
      bindings.filter { $0.spec.agent == agent.text && $0.spec.secret != secret }
        .flatMap { $0.spec.keys.compactMap(\.placeholder) })
  }

  private static func place(of binding: SecretBinding) throws(PalanaError) -> (UserIdentity, ResourceName) {
    guard let owner = binding.spec.owner else {
      throw PalanaError(.failed, "the binding ‘\(binding.metadata.name)’ has no owner")
    }
    return (owner, try ResourceName(binding.spec.agent))
  }

  /// A label for the pair, unique for one owner: names may hold what labels may not.
  static func bindingName(agent: ResourceName, secret: String) throws(PalanaError) -> ResourceName {
    let readable = SanitizedName(sanitizing: "\(agent)-\(secret)", limit: 28).text
    return try ResourceName(readable + "-" + shortHash("\(agent)\0\(secret)"))
  }
}
