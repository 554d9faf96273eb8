package import PalanaCore

/// Secrets of the whole installation, such as the gateway's certificate authority and the key of proxy tokens.
///
/// Each is made once, by whoever comes first, and never changed through here.
package struct InstallationSecrets: Sendable {
  private let store: VaultClient

  /// - Parameter store: with the rights of the purpose `gateway`: it may create such a secret and not overwrite one.
  package init(store: VaultClient) { self.store = store }

  /// The secret of this name, made by `make` when there is none. Two that start at once get the same one.
  ///
  /// - Parameters:
  ///   - name: lower-case letters, digits and dashes, for example `egress-ca`.
  ///   - make: the values by key. What it makes is thrown away when somebody else was faster.
  /// - Throws: ``PalanaError``: what `make` throws, `invalid`, `denied`, `unreachable`, `failed`.
  package func value(
    _ name: String, make: () throws(PalanaError) -> [String: Redacted<String>]
  ) async throws(PalanaError) -> [String: Redacted<String>] {
    let path = try KVPath.installation(name)
    do throws(PalanaError) { return try await store.read(path).values } catch {
      guard error.code == .notFound else { throw error }
    }
    let made = try make()
    do throws(PalanaError) {
      try await store.write(path, made, cas: 0)
      return made
    } catch {
      // `denied` is how the policy, which knows create but not update, says the same as check-and-set.
      guard error.code == .conflict || error.code == .denied else { throw error }
    }
    return try await store.read(path).values
  }
}
