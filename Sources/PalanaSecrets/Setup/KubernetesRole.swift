import NIOHTTP1
import PalanaCore

/// A role of the auth method `kubernetes`: which service account gets a token of which policy.
struct KubernetesRole: Codable, Hashable, Sendable {
  var serviceAccounts: [String]
  var namespaces: [String]
  /// Namespaces by their labels; empty: none.
  var namespaceSelector: String?
  var audience: String
  var policies: [String]
  /// Seconds that a login and a renewal give.
  var life: Int
  /// Seconds after which no renewal helps.
  var longestLife: Int
  var endsAfter: Int
  var period: Int
  var uses: Int
  var withoutDefaultPolicy: Bool
  var type: String
  /// What tells two logins apart from each other in the store.
  var alias: String

  /// Exactly one service account of one namespace.
  init(serviceAccount: String, namespace: String, audience: String, policy: String, life: Int, longestLife: Int) {
    serviceAccounts = [serviceAccount]
    namespaces = [namespace]
    namespaceSelector = ""
    self.audience = audience
    policies = [policy]
    self.life = life
    self.longestLife = longestLife
    endsAfter = 0
    period = 0
    uses = 0
    withoutDefaultPolicy = true
    type = "default"
    alias = "serviceaccount_uid"
  }

  private enum CodingKeys: String, CodingKey {
    case serviceAccounts = "bound_service_account_names"
    case namespaces = "bound_service_account_namespaces"
    case namespaceSelector = "bound_service_account_namespace_selector"
    case audience
    case policies = "token_policies"
    case life = "token_ttl"
    case longestLife = "token_max_ttl"
    case endsAfter = "token_explicit_max_ttl"
    case period = "token_period"
    case uses = "token_num_uses"
    case withoutDefaultPolicy = "token_no_default_policy"
    case type = "token_type"
    case alias = "alias_name_source"
  }

  /// What is otherwise in `found`, by the names that the store has for it. An older store that knows no selector has none.
  func differences(_ found: KubernetesRole) -> [String] {
    let pairs: [(CodingKeys, Bool)] = [
      (.serviceAccounts, serviceAccounts == found.serviceAccounts), (.namespaces, namespaces == found.namespaces),
      (.namespaceSelector, (namespaceSelector ?? "") == (found.namespaceSelector ?? "")), (.audience, audience == found.audience),
      (.policies, policies == found.policies), (.life, life == found.life), (.longestLife, longestLife == found.longestLife),
      (.endsAfter, endsAfter == found.endsAfter), (.period, period == found.period), (.uses, uses == found.uses),
      (.withoutDefaultPolicy, withoutDefaultPolicy == found.withoutDefaultPolicy), (.type, type == found.type),
      (.alias, alias == found.alias),
    ]
    return pairs.filter { !$0.1 }.map(\.0.rawValue)
  }
}

extension VaultClient {
  /// A role of the auth method at `mount`; nil when there is none.
  func kubernetesRole(_ name: String, at mount: String) async throws(PalanaError) -> KubernetesRole? {
    do throws(PalanaError) { return try await data(KubernetesRole.self, .GET, "auth/\(mount)/role/\(name)") } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  func writeKubernetesRole(_ name: String, _ role: KubernetesRole, at mount: String) async throws(PalanaError) {
    try await call(.POST, "auth/\(mount)/role/\(name)", body: VaultJSON.encode(role))
  }

  /// It is fine when there is none.
  func deleteKubernetesRole(_ name: String, at mount: String) async throws(PalanaError) {
    do throws(PalanaError) { try await call(.DELETE, "auth/\(mount)/role/\(name)") } catch {
      guard error.code == .notFound else { throw error }
    }
  }

  /// It is fine when there is none.
  func deletePolicy(_ name: String) async throws(PalanaError) {
    do throws(PalanaError) { try await call(.DELETE, "sys/policies/acl/\(name)") } catch {
      guard error.code == .notFound else { throw error }
    }
  }

  /// Names directly below a path of the store itself.
  func names(below path: String) async throws(PalanaError) -> [String] {
    struct Content: Decodable, Sendable { var keys: [String] }
    do throws(PalanaError) { return try await data(Content.self, .RAW(value: "LIST"), path).keys } catch {
      guard error.code == .notFound else { throw error }
      return []
    }
  }
}
