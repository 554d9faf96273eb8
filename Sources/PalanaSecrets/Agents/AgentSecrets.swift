package import PalanaAPI
package import PalanaCore

/// The secrets of agents in the store, as the control plane handles them: it writes and forgets values, and cannot read them.
///
/// Rotate here first and publish the new revision of the ``SecretBinding`` afterwards: that order is why nobody who asks
/// for the new revision can get the old value.
package struct AgentSecrets: Sendable {
  private let store: VaultClient

  /// - Parameter store: with the rights of the purpose `control`.
  package init(store: VaultClient) { self.store = store }

  /// Where a secret of an agent lives.
  package static func path(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access
  ) throws(PalanaError) -> SecretPath {
    try SecretNames.check(secret: secret)
    let area: SecretPath.Area = access == .proxyOnly ? .proxySecrets : .agents
    return SecretPath(area: area, owner: owner, agent: agent, secret: secret)
  }

  /// Stores a new secret.
  ///
  /// - Parameter type: what tokens are made with it; nil: the values are used themselves.
  /// - Throws: ``PalanaError``: `conflict` when it exists, `invalid` (names, values), `unreachable`, `failed`.
  package func add(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access,
    type: SecretMinting? = nil, values: [String: Redacted<String>]
  ) async throws(PalanaError) {
    let path = try Self.path(owner: owner, agent: agent, secret: secret, access: access)
    if let type { try MintRules.check(values, of: type) } else { try SecretValueRules.check(values, access: access) }
    do throws(PalanaError) { try await store.write(KVPath(path), values, cas: 0) } catch {
      guard error.code == .conflict else { throw error }
      throw PalanaError(
        .conflict, "the agent \(agent) has a secret \(secret) already", hint: "pcli secrets rotate gives it a new value"
      )
    }
  }

  /// Gives some or all keys of a secret new values; the others keep theirs. All of them change at once.
  ///
  /// - Throws: ``PalanaError``: `notFound`, `conflict` when somebody else rotates it at this moment, `invalid`, `unreachable`, `failed`.
  package func rotate(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access,
    type: SecretMinting? = nil, values: [String: Redacted<String>]
  ) async throws(PalanaError) {
    let path = KVPath(try Self.path(owner: owner, agent: agent, secret: secret, access: access))
    if let type {
      try MintRules.check(replacing: values, of: type)
    } else {
      try SecretValueRules.check(values, access: access)
    }
    let version: Int
    do throws(PalanaError) {
      version = try await store.metadata(path).version
      try await store.patch(path, values, cas: version)
    } catch {
      guard error.code == .notFound else { throw error }
      throw PalanaError(.notFound, "the agent \(agent) has no secret \(secret)", hint: "pcli secrets add creates it")
    }
  }

  /// Removes a secret with all its versions; it is fine when there is none. Forget it in the gateway afterwards.
  package func remove(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access
  ) async throws(PalanaError) {
    try await store.delete(KVPath(try Self.path(owner: owner, agent: agent, secret: secret, access: access)))
  }

  /// Removes every secret of an agent, for example because the agent is deleted.
  package func removeAll(owner: UserIdentity, agent: ResourceName) async throws(PalanaError) {
    for area in SecretPath.Area.allCases {
      for name in try await names(area, owner: owner, agent: agent) {
        try await store.delete(KVPath(SecretPath(area: area, owner: owner, agent: agent, secret: name)))
      }
    }
  }

  /// The names of an agent's secrets of one kind, sorted.
  package func names(
    _ area: SecretPath.Area, owner: UserIdentity, agent: ResourceName
  ) async throws(PalanaError) -> [String] {
    try await store.list(.folder(area, owner: owner, agent: agent)).filter(SecretNames.isIdentifier).sorted()
  }

  /// When a secret was written and how often; nothing of its values.
  ///
  /// - Throws: ``PalanaError``: `notFound`, `unreachable`, `failed`.
  package func metadata(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access
  ) async throws(PalanaError) -> KVMetadata {
    try await store.metadata(KVPath(try Self.path(owner: owner, agent: agent, secret: secret, access: access)))
  }
}
