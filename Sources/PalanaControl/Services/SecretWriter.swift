package import PalanaAPI
package import PalanaCore
package import PalanaSecrets

/// Writes and forgets the values of secrets and knows their names; nothing here can read a value.
package protocol SecretWriter: Sendable {
  /// Stores a new secret.
  ///
  /// - Parameter type: what tokens are made with it; nil: the values are used themselves.
  /// - Throws: ``PalanaError``: `conflict` when it exists, `invalid`, `unreachable`, `failed`.
  func add(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access,
    type: SecretMinting?, values: [String: Redacted<String>]
  ) async throws(PalanaError)

  /// Gives some or all keys new values; the others keep theirs.
  ///
  /// - Throws: ``PalanaError``: `notFound`, `conflict`, `invalid`, `unreachable`, `failed`.
  func rotate(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access,
    type: SecretMinting?, values: [String: Redacted<String>]
  ) async throws(PalanaError)

  /// Removes a secret with all its versions; it is fine when there is none.
  func remove(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access
  ) async throws(PalanaError)

  /// The names of an agent's secrets of one kind, sorted.
  func names(_ area: SecretPath.Area, owner: UserIdentity, agent: ResourceName) async throws(PalanaError) -> [String]

  /// Removes every secret of an agent.
  func removeAll(owner: UserIdentity, agent: ResourceName) async throws(PalanaError)
}

extension AgentSecrets: SecretWriter {}
