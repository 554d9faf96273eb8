import Glibc
import Logging
import NIOPosix
import PalanaCore
import PalanaSecrets

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What the first start leaves behind and every start completes: initialisation, policies, roles and credentials.
///
/// Every step can be interrupted and is taken up again by the next start:
/// - `keys/initializing` stands there from before the initialisation until its keys are on disk. When it is found, the
///   storage never held anything and nobody has its keys: it is thrown away and made anew.
/// - The root token is kept in `keys/recovery.json` until the set-up is complete; then it is revoked and taken out.
///
/// The recovery key stays in that file. It opens nothing by itself, as OpenBao's endpoints for it are off; it is there for a
/// disaster, and it stands next to the seal key, with which the storage could be read anyway.
struct OpenBaoSetup: Sendable {
  let layout: OpenBaoLayout
  let server: VaultServer
  /// The sessions of the purposes that work all the time.
  let sessions: [SecretPurpose: VaultSession]
  let clock: any Clock<Duration>
  let logger: Logger

  /// The content of `keys/recovery.json`. Encoded for that file only.
  private struct Recovery: Codable {
    var recoveryKey: String
    /// Only until the first set-up is complete.
    var rootToken: String?
  }

  /// Whether the storage was initialised by an earlier start.
  func isInitialized() async throws(PalanaError) -> Bool { try await recovery() != nil }

  /// Clears away a storage whose initialisation was interrupted. To be called while no server runs.
  func discardInterrupted() async throws(PalanaError) {
    do throws(PalanaError) { _ = try await SecretFile.read(layout.initializing) } catch {
      if error.code == .notFound { return }
      throw error
    }
    logger.notice("an interrupted initialisation of the secret store is begun anew")
    let aside = "\(layout.data).interrupted"
    try await blocking { () throws(PalanaError) in
      // Only Palana's own names, one folder that holds nothing of value; an older one makes room.
      try? FileManager.default.removeItem(atPath: aside)
      guard unsafe rename(layout.data, aside) == 0 || errno == ENOENT else {
        throw PalanaError(.failed, "\(layout.data) could not be moved aside")
      }
      guard unsafe mkdir(layout.data, 0o700) == 0 else {
        throw PalanaError(.failed, "\(layout.data) could not be made")
      }
    }
    try await SecretFile.remove(layout.recovery)
    try await SecretFile.remove(layout.initializing)
  }

  /// Makes a running server ready: returns when it answers requests and every purpose has a credential that works.
  ///
  /// - Throws: ``PalanaError``: `failed` that says what is wrong, or what the last step met.
  func complete() async throws(PalanaError) {
    var health = try await waitFor { _ in true }
    if !health.isInitialized {
      // Without this, a folder that is not mounted would be filled anew, and every secret would seem lost.
      guard try await recovery() == nil else {
        throw PalanaError(
          .failed, "OpenBao's storage \(layout.data) is empty, but it held secrets before",
          hint: "restore it from a backup, or remove \(layout.folder) to begin with an empty store")
      }
      try await initialize()
    }
    health = try await waitFor(\.isActive)
    guard var kept = try await recovery() else {
      throw PalanaError(
        .failed, "OpenBao's storage is initialised, but \(layout.recovery) is missing",
        hint: "restore the folder \(layout.keys) from a backup")
    }
    if let token = kept.rootToken {
      let root = VaultClient(server: server, tokens: .fixed(Redacted(token)))
      // Denied: an earlier start was interrupted after it had revoked the token, its very last act in the store.
      if try await isAccepted(root) { try await prepare(with: root) }
      kept.rootToken = nil
      try await write(kept)
      logger.notice("the secret store is set up", metadata: ["openbao.version": "\(health.version)"])
    }
    try await align()
  }

  private func isAccepted(_ client: VaultClient) async throws(PalanaError) -> Bool {
    do throws(PalanaError) { _ = try await client.tokenFacts() } catch {
      guard error.code == .denied else { throw error }
      return false
    }
    return true
  }

  /// The first set-up of a new storage, ended by the root token's own revocation.
  private func prepare(with root: VaultClient) async throws(PalanaError) {
    try await SecretStoreSetup.prepare(root, clock: clock)
    for purpose in SecretPurpose.machine { try await issue(purpose, with: root) }
    try await root.revokeToken()
  }

  /// Corrects policies and roles, and issues what does not work any more.
  private func align() async throws(PalanaError) {
    let session = VaultSession(
      server: server, credential: .appRole(file: layout.credential(.admin)), logger: logger)
    let admin = VaultClient(server: server, tokens: .session(session))
    do throws(PalanaError) { try await SecretStoreSetup.align(admin) } catch {
      guard error.code == .notFound || error.code == .denied else { throw error }
      throw PalanaError(
        .failed, "Palana's administrator credential of the secret store is missing or not accepted",
        hint: "restore the folder \(layout.keys) from a backup of the same time as the storage")
    }
    for (purpose, session) in sessions {
      if try await works(session) { continue }
      logger.notice(
        "a credential of the secret store is issued anew", metadata: ["secrets.purpose": "\(purpose.rawValue)"])
      try await issue(purpose, with: admin)
    }
    // The administrator's token is needed for moments only. That it may linger for its hour is no reason to fail.
    try? await admin.revokeToken()
  }

  private func initialize() async throws(PalanaError) {
    try await SecretFile.write(Redacted([]), to: layout.initializing)
    let made = try await server.initialize()
    try await write(Recovery(recoveryKey: made.recoveryKey.reveal(), rootToken: made.rootToken.reveal()))
    try await SecretFile.remove(layout.initializing)
  }

  /// Whether the session's credential is there and accepted. The token is kept: it is needed next.
  private func works(_ session: VaultSession) async throws(PalanaError) -> Bool {
    do throws(PalanaError) { _ = try await session.token() } catch {
      guard error.code == .unreachable else { return false }
      throw error
    }
    return true
  }

  private func issue(_ purpose: SecretPurpose, with client: VaultClient) async throws(PalanaError) {
    try await SecretFile.write(
      try await client.newCredential(purpose.name).fileContent(), to: layout.credential(purpose))
  }

  /// Asks for the health in growing intervals until it is as wanted. The caller bounds the time.
  private func waitFor(_ wanted: (VaultHealth) -> Bool) async throws(PalanaError) -> VaultHealth {
    var pause = Duration.milliseconds(4)
    while true {
      do throws(PalanaError) {
        let health = try await server.health(retrying: false)
        if wanted(health) { return health }
      } catch {
        guard error.code == .unreachable else { throw error }
      }
      guard (try? await clock.sleep(for: pause)) != nil else {
        throw PalanaError(.failed, "the start of OpenBao was given up")
      }
      pause = min(pause * 3 / 2, .milliseconds(100))
    }
  }

  private func recovery() async throws(PalanaError) -> Recovery? {
    let content: Redacted<[UInt8]>
    do throws(PalanaError) { content = try await SecretFile.read(layout.recovery) } catch {
      if error.code == .notFound { return nil }
      throw error
    }
    do { return try JSONDecoder().decode(Recovery.self, from: Data(content.reveal())) } catch {
      throw PalanaError(.failed, "\(layout.recovery) is damaged", hint: "restore it from a backup")
    }
  }

  private func write(_ recovery: Recovery) async throws(PalanaError) {
    let content: Data
    do { content = try JSONEncoder().encode(recovery) } catch {
      throw PalanaError(.failed, "\(layout.recovery) could not be written")
    }
    try await SecretFile.write(Redacted(Array(content)), to: layout.recovery)
  }

  private func blocking(_ body: @escaping @Sendable () throws(PalanaError) -> Void) async throws(PalanaError) {
    do { try await NIOThreadPool.singleton.runIfActive(body) } catch {
      throw error as? PalanaError ?? PalanaError(.failed, "the file operation was given up")
    }
  }
}
