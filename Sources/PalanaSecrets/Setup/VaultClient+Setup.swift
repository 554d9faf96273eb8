import NIOHTTP1
package import PalanaCore

/// What a new server answers to its initialisation. Shown to nobody.
package struct VaultInitialization: Sendable {
  package var rootToken: Redacted<String>
  package var recoveryKey: Redacted<String>
}

extension VaultServer {
  /// Initialises a new server with one recovery share. It takes seconds.
  ///
  /// - Throws: ``PalanaError``: `failed` when it is initialised already, `unreachable`.
  package func initialize() async throws(PalanaError) -> VaultInitialization {
    struct Order: Encodable {
      var shares = 1
      var threshold = 1
      enum CodingKeys: String, CodingKey {
        case shares = "recovery_shares"
        case threshold = "recovery_threshold"
      }
    }
    struct Content: Decodable, Sendable {
      var root: SecretText
      var recovery: [SecretText]
      enum CodingKeys: String, CodingKey {
        case root = "root_token"
        case recovery = "recovery_keys_base64"
      }
    }
    let answer = try await send(.PUT, "sys/init", body: VaultJSON.encode(Order()), timeout: .seconds(60))
    try VaultStatus.check(answer)
    let content = try VaultJSON.decode(Content.self, from: answer.body)
    guard let recovery = content.recovery.first else {
      throw PalanaError(.failed, "the secret store gave no recovery key")
    }
    return VaultInitialization(rootToken: content.root.value, recoveryKey: recovery.value)
  }
}

/// How an AppRole's tokens are.
package struct VaultRole: Codable, Hashable, Sendable {
  package var policies: [String]
  /// Seconds; a renewal gives this time again, without end.
  package var period: Int
  package var withoutDefaultPolicy: Bool
  package var needsSecretID: Bool
  /// Seconds until a secret id ends; zero: never.
  package var secretIDLife: Int
  /// How often a secret id logs in; zero: without bound.
  package var secretIDUses: Int

  package init(policies: [String], period: Int = 3600) {
    self.policies = policies
    self.period = period
    withoutDefaultPolicy = true
    needsSecretID = true
    // The credential must still work after the machine was off for months.
    secretIDLife = 0
    secretIDUses = 0
  }

  private enum CodingKeys: String, CodingKey {
    case policies = "token_policies"
    case period = "token_period"
    case withoutDefaultPolicy = "token_no_default_policy"
    case needsSecretID = "bind_secret_id"
    case secretIDLife = "secret_id_ttl"
    case secretIDUses = "secret_id_num_uses"
  }
}

extension VaultClient {
  /// Mounts the KV engine, version 2, when it is not there.
  package func mountKV() async throws(PalanaError) {
    struct Order: Encodable {
      var type = "kv"
      var options = ["version": "2"]
    }
    if try await data([String: MountFacts].self, .GET, "sys/mounts")["\(KVPath.mount)/"] != nil { return }
    try await call(.POST, "sys/mounts/\(KVPath.mount)", body: VaultJSON.encode(Order()))
  }

  /// Makes the KV engine keep only the newest version, so that a value that was rotated away is gone, and require
  /// check-and-set for every write, so that none is overwritten unseen.
  ///
  /// - Throws: ``PalanaError``; `failed` or `unreachable` also for a moment after ``mountKV()``.
  package func configureKV() async throws(PalanaError) {
    struct Order: Encodable {
      var versions = 1
      var isCASRequired = true
      enum CodingKeys: String, CodingKey {
        case versions = "max_versions"
        case isCASRequired = "cas_required"
      }
    }
    try await call(.POST, "\(KVPath.mount)/config", body: VaultJSON.encode(Order()))
  }

  /// Enables AppRole logins when they are not.
  package func enableAppRole() async throws(PalanaError) {
    if try await data([String: MountFacts].self, .GET, "sys/auth")["approle/"] != nil { return }
    try await call(.POST, "sys/auth/approle", body: VaultJSON.encode(["type": "approle"]))
  }

  /// The text of a policy; nil when there is none.
  package func policy(_ name: String) async throws(PalanaError) -> String? {
    struct Content: Decodable, Sendable { var policy: String }
    do throws(PalanaError) { return try await data(Content.self, .GET, "sys/policies/acl/\(name)").policy } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  /// Writes a policy.
  package func writePolicy(_ name: String, _ text: String) async throws(PalanaError) {
    try await call(.PUT, "sys/policies/acl/\(name)", body: VaultJSON.encode(["policy": text]))
  }

  /// An AppRole; nil when there is none.
  package func role(_ name: String) async throws(PalanaError) -> VaultRole? {
    do throws(PalanaError) { return try await data(VaultRole.self, .GET, "auth/approle/role/\(name)") } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  /// Writes an AppRole.
  package func writeRole(_ name: String, _ role: VaultRole) async throws(PalanaError) {
    try await call(.POST, "auth/approle/role/\(name)", body: VaultJSON.encode(role))
  }

  /// Makes a new credential for an AppRole; earlier ones stay valid.
  package func newCredential(_ name: String) async throws(PalanaError) -> AppRoleCredential {
    struct RoleID: Decodable, Sendable {
      var value: SecretText
      enum CodingKeys: String, CodingKey { case value = "role_id" }
    }
    struct SecretID: Decodable, Sendable {
      var value: SecretText
      enum CodingKeys: String, CodingKey { case value = "secret_id" }
    }
    let role = try await data(RoleID.self, .GET, "auth/approle/role/\(name)/role-id")
    let secret = try await data(
      SecretID.self, .POST, "auth/approle/role/\(name)/secret-id", body: VaultJSON.encode([String: String]()))
    return AppRoleCredential(roleID: role.value.value, secretID: secret.value.value)
  }
}

private struct MountFacts: Decodable, Sendable { var type: String? }
