import PalanaCore
import PalanaSecrets

/// Values of secrets in the store, and of tokens that upstreams gave.
struct GatewaySecrets: SecretValueSource {
  let store: any SecretValueSource
  let tokens: MintedTokens

  func cachedValue(of ref: SecretRef, revision: Int) -> Redacted<String>? {
    tokens.isMinted(revision) ? tokens.value(of: ref) : store.cachedValue(of: ref, revision: revision)
  }

  func value(of ref: SecretRef, revision: Int) async throws(PalanaError) -> Redacted<String> {
    guard tokens.isMinted(revision) else { return try await store.value(of: ref, revision: revision) }
    guard let value = tokens.value(of: ref) else { throw PalanaError(.notFound, "the time of the token is over") }
    return value
  }
}
