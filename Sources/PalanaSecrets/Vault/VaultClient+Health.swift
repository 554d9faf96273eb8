import NIOHTTP1
package import PalanaCore

/// How a server is, by its own word.
package struct VaultHealth: Hashable, Sendable {
  package var isInitialized: Bool
  package var isSealed: Bool
  package var isStandby: Bool
  package var version: String

  /// Whether it answers requests.
  package var isActive: Bool { isInitialized && !isSealed && !isStandby }
}

extension VaultServer {
  /// Asks how the server is; needs no token.
  ///
  /// - Parameter retrying: ask again when it cannot be reached; without, the answer about a dead server is immediate.
  /// - Throws: ``PalanaError``: `unreachable`, `failed`.
  package func health(retrying: Bool = true) async throws(PalanaError) -> VaultHealth {
    struct Content: Decodable, Sendable {
      var initialized: Bool
      var sealed: Bool
      var standby: Bool
      var version: String
    }
    let answer = try await send(.GET, "sys/health", attempts: retrying ? nil : 1)
    // Active, standby (three kinds), not initialised, sealed: each has a status of its own, and the body says it in words.
    if ![200, 429, 472, 473, 501, 503].contains(answer.status) { try VaultStatus.check(answer) }
    let content = try VaultJSON.decode(Content.self, from: answer.body)
    return VaultHealth(
      isInitialized: content.initialized, isSealed: content.sealed, isStandby: content.standby, version: content.version
    )
  }
}

/// What a token may do and how long it holds.
package struct VaultTokenFacts: Hashable, Sendable {
  package var policies: [String]
  /// Zero: for ever.
  package var life: Duration
  package var isRenewable: Bool
}

extension VaultClient {
  /// Looks up the client's own token.
  ///
  /// - Throws: ``PalanaError``: `denied`, `unreachable`, `failed`.
  package func tokenFacts() async throws(PalanaError) -> VaultTokenFacts {
    struct Content: Decodable, Sendable {
      var policies: [String]?
      var ttl: Int64
      var renewable: Bool?
    }
    let content = try await data(Content.self, .GET, "auth/token/lookup-self")
    return VaultTokenFacts(
      policies: content.policies ?? [], life: .seconds(max(content.ttl, 0)), isRenewable: content.renewable ?? false)
  }

  /// Makes sure that the token is accepted and that there is a KV engine, version 2, in which it may do something.
  ///
  /// - Throws: ``PalanaError`` that says which of them is missing: `denied`, `failed`, or a file's trouble; `unreachable`.
  package func checkUse() async throws(PalanaError) {
    struct Mount: Decodable, Sendable {
      var type: String
      var options: [String: String]?
    }
    _ = try await tokenFacts()
    let mount: Mount
    // Answers every token about the mounts that its policies name.
    do throws(PalanaError) { mount = try await data(Mount.self, .GET, "sys/internal/ui/mounts/\(KVPath.mount)") } catch {
      guard error.code == .denied || error.code == .notFound else { throw error }
      throw PalanaError(
        .failed, "the secret store has no KV engine at \(KVPath.mount)/ that Palana's token may use",
        hint: "bao secrets enable -path=\(KVPath.mount) -version=2 kv; docs/secrets.md has the token's policy")
    }
    guard mount.type == "kv", mount.options?["version"] == "2" else {
      throw PalanaError(
        .failed, "what the secret store has at \(KVPath.mount)/ is not a KV engine of version 2",
        hint: "move it, then: bao secrets enable -path=\(KVPath.mount) -version=2 kv")
    }
  }

  /// Renews the client's own token.
  package func renewToken() async throws(PalanaError) { try await call(.POST, "auth/token/renew-self") }

  /// Revokes the client's own token: nobody can use it any more.
  package func revokeToken() async throws(PalanaError) { try await call(.POST, "auth/token/revoke-self") }
}
