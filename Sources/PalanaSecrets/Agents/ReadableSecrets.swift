import PalanaAPI
package import PalanaCore

/// The agent-readable secrets, as the runtime puts them into a sandbox.
package struct ReadableSecrets: Sendable {
  private let store: VaultClient

  /// - Parameter store: with the rights of the purpose `runtime`.
  package init(store: VaultClient) { self.store = store }

  /// The files of these secrets below `/run/secrets`: `NAME` for a secret with one key, else `NAME/KEY` for each.
  ///
  /// - Throws: ``PalanaError``: `notFound` that names the secret, `denied`, `unreachable`, `failed`.
  package func files(
    owner: UserIdentity, agent: ResourceName, secrets: [String]
  ) async throws(PalanaError) -> [String: Redacted<[UInt8]>] {
    var files: [String: Redacted<[UInt8]>] = [:]
    for name in Set(secrets).sorted() {
      let path = try AgentSecrets.path(owner: owner, agent: agent, secret: name, access: .agentReadable)
      let secret: KVSecret
      do throws(PalanaError) { secret = try await store.read(KVPath(path)) } catch {
        guard error.code == .notFound else { throw error }
        throw PalanaError(
          .notFound, "the agent-readable secret \(name) has no value", hint: "add it again with pcli secrets add")
      }
      for (key, value) in secret.values {
        // What the store holds may have been written by somebody else: a key never leads out of the folder.
        try SecretNames.check(key: key, isFile: true)
        files[secret.values.count == 1 ? name : "\(name)/\(key)"] = value.map { Array($0.utf8) }
      }
    }
    return files
  }
}
