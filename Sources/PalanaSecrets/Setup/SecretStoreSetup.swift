package import PalanaCore

/// Brings the policies and roles in the store to what this version of Palana needs. Does nothing where they are right.
package enum SecretStoreSetup {
  /// Mounts, configures and grants everything in a new store.
  ///
  /// - Parameter root: a client that may do everything.
  package static func prepare(_ root: VaultClient, clock: any Clock<Duration>) async throws(PalanaError) {
    try await root.mountKV()
    try await root.enableAppRole()
    // Right after the mount the engine still prepares its storage and answers with an error; a few milliseconds, as a rule.
    var pause = Duration.milliseconds(5)
    for _ in 0..<10 {
      do throws(PalanaError) {
        try await root.configureKV()
        break
      } catch {
        guard pause < .seconds(2), (try? await clock.sleep(for: pause)) != nil else { throw error }
        pause *= 2
      }
    }
    try await align(root)
  }

  /// Corrects policies and roles.
  ///
  /// - Parameter admin: a client with the rights of ``SecretPurpose/admin``.
  package static func align(_ admin: VaultClient) async throws(PalanaError) {
    for purpose in SecretPurpose.machine {
      let text = SecretPolicy.text(for: purpose)
      if try await admin.policy(purpose.name) != text { try await admin.writePolicy(purpose.name, text) }
      let role = VaultRole(policies: [purpose.name])
      if try await admin.role(purpose.name) != role { try await admin.writeRole(purpose.name, role) }
    }
  }
}
