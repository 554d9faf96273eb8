import NIOHTTP1
import PalanaCore

extension ClusterSetup {
  // MARK: The engine

  var kv: SetupItem {
    SetupItem(what: "secrets engine \(KVPath.mount)/") { store throws(PalanaError) in
      guard let found = try await store.mounts("sys/mounts")["\(KVPath.mount)/"] else { return .missing }
      guard found.isKV2 else {
        let version = found.options?["version"].map { " of version \($0)" } ?? ""
        return .inTheWay("it is an engine of the type \(found.type ?? "unknown")\(version), not kv of version 2")
      }
      return .asWanted
    } write: { store throws(PalanaError) in
      try await store.mountKV()
    }
  }

  var kvSettings: SetupItem {
    SetupItem(what: "settings of \(KVPath.mount)/") { store throws(PalanaError) in
      guard try await store.mounts("sys/mounts")["\(KVPath.mount)/"]?.isKV2 == true else { return .missing }
      let found = try await store.kvSettings()
      var differences: [String] = []
      if found.versions != 1 { differences.append("max_versions") }
      if found.isCASRequired != true { differences.append("cas_required") }
      guard !differences.isEmpty else { return .asWanted }
      // They would lose their older versions, and their writers would be refused.
      let ours: Set = SecretPath.Area.allCases.reduce(into: ["installation/"]) { $0.insert("\($1.rawValue)/") }
      let others = try await store.names(below: "\(KVPath.mount)/metadata").filter { !ours.contains($0) }
      guard others.isEmpty else {
        return .inTheWay("it holds secrets of others (\(others.prefix(3).joined(separator: ", "))), whose older versions it would lose")
      }
      return .different(differences)
    } write: { store throws(PalanaError) in
      try await store.configureKV()
    }
  }

  // MARK: Logins

  var logins: SetupItem {
    let mount = mount
    return SetupItem(what: "auth method \(mount)/") { store throws(PalanaError) in
      guard let found = try await store.mounts("sys/auth")["\(mount)/"] else { return .missing }
      guard found.type == "kubernetes" else {
        return .inTheWay("it is an auth method of the type \(found.type ?? "unknown"), not kubernetes")
      }
      return .asWanted
    } write: { store throws(PalanaError) in
      try await store.call(.POST, "sys/auth/\(mount)", body: VaultJSON.encode(["type": "kubernetes"]))
    }
  }

  var loginSettings: SetupItem {
    let setup = self
    let wanted = LoginSettings(
      host: kubernetesHost, authority: kubernetesCA.map(Self.trimmed) ?? "", hasNoOwn: kubernetesCA != nil && reviewer != nil)
    return SetupItem(what: "settings of auth/\(mount)/") { store throws(PalanaError) in
      guard try await store.mounts("sys/auth")["\(setup.mount)/"]?.type == "kubernetes",
        var found = try await store.loginSettings(setup.mount)
      else {
        return .missing
      }
      found.authority = Self.trimmed(found.authority)
      var differences = wanted.differences(found)
      let hasReviewer = found.hasReviewer ?? false
      // Nobody can look at the token that is there.
      if setup.reviewer != nil, !hasReviewer || setup.replacesLogins { differences.append("token_reviewer_jwt") }
      guard differences.isEmpty || setup.replacesLogins else {
        return .inTheWay(
          "others may log in by it as it is, with another \(differences.joined(separator: ", ")); name another mount, or say that it is to be replaced"
        )
      }
      if !differences.isEmpty, setup.reviewer == nil, hasReviewer {
        // The settings are written whole.
        return .inTheWay("the token of its reviewer would be lost with the change of \(differences.joined(separator: ", ")): name it too")
      }
      return differences.isEmpty ? .asWanted : .different(differences)
    } write: { store throws(PalanaError) in
      var order: [String: SecretText] = [
        "kubernetes_host": SecretText(Redacted(wanted.host)), "kubernetes_ca_cert": SecretText(Redacted(wanted.authority)),
        "disable_local_ca_jwt": SecretText(Redacted("\(wanted.hasNoOwn)")),
      ]
      if let reviewer = setup.reviewer { order["token_reviewer_jwt"] = SecretText(reviewer) }
      try await store.call(.POST, "auth/\(setup.mount)/config", body: VaultJSON.encode(order))
    }
  }

  private static func trimmed(_ text: String) -> String {
    String(text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }

  // MARK: The platform's parts

  func policy(_ purpose: SecretPurpose) -> SetupItem {
    let text = SecretPolicy.text(for: purpose, authMount: mount)
    return SetupItem(what: "policy \(purpose.name)") { store throws(PalanaError) in
      guard let found = try await store.policy(purpose.name) else { return .missing }
      return found == text ? .asWanted : .different(["policy"])
    } write: { store throws(PalanaError) in
      try await store.writePolicy(purpose.name, text)
    }
  }

  func role(_ purpose: SecretPurpose) -> SetupItem {
    let mount = mount
    let role = KubernetesRole(
      serviceAccount: purpose.name, namespace: namespace, audience: audience, policy: purpose.name, life: 1_200, longestLife: 14_400)
    return SetupItem(what: "role \(purpose.name)") { store throws(PalanaError) in
      guard try await store.mounts("sys/auth")["\(mount)/"]?.type == "kubernetes",
        let found = try await store.kubernetesRole(purpose.name, at: mount)
      else { return .missing }
      let differences = role.differences(found)
      return differences.isEmpty ? .asWanted : .different(differences)
    } write: { store throws(PalanaError) in
      try await store.writeKubernetesRole(purpose.name, role, at: mount)
    }
  }
}

/// What the auth method of service accounts knows of its cluster.
struct LoginSettings: Decodable, Sendable {
  var host: String
  /// PEM.
  var authority: String
  /// Whether it does without the authority and the token of its own pod.
  var hasNoOwn: Bool
  var hasReviewer: Bool?

  init(host: String, authority: String, hasNoOwn: Bool) {
    self.host = host
    self.authority = authority
    self.hasNoOwn = hasNoOwn
  }

  private enum CodingKeys: String, CodingKey {
    case host = "kubernetes_host"
    case authority = "kubernetes_ca_cert"
    case hasNoOwn = "disable_local_ca_jwt"
    case hasReviewer = "token_reviewer_jwt_set"
  }

  func differences(_ found: LoginSettings) -> [String] {
    var names: [String] = []
    if host != found.host { names.append(CodingKeys.host.rawValue) }
    if authority != found.authority { names.append(CodingKeys.authority.rawValue) }
    if hasNoOwn != found.hasNoOwn { names.append(CodingKeys.hasNoOwn.rawValue) }
    return names
  }
}

/// What is mounted somewhere.
struct VaultMount: Decodable, Sendable {
  var type: String?
  var options: [String: String]?
  var isKV2: Bool { type == "kv" && options?["version"] == "2" }
}

/// The settings of a KV engine that matter here.
struct KVSettings: Decodable, Sendable {
  var versions: Int?
  var isCASRequired: Bool?

  enum CodingKeys: String, CodingKey {
    case versions = "max_versions"
    case isCASRequired = "cas_required"
  }
}

extension VaultClient {
  /// What is mounted, by path with a final slash.
  ///
  /// - Parameter list: `sys/mounts` or `sys/auth`.
  func mounts(_ list: String) async throws(PalanaError) -> [String: VaultMount] {
    try await data([String: VaultMount].self, .GET, list)
  }

  func kvSettings() async throws(PalanaError) -> KVSettings { try await data(KVSettings.self, .GET, "\(KVPath.mount)/config") }

  /// Nil: it was never told.
  func loginSettings(_ mount: String) async throws(PalanaError) -> LoginSettings? {
    do throws(PalanaError) { return try await data(LoginSettings.self, .GET, "auth/\(mount)/config") } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  /// What the token may do, by path; nil when it may not even ask.
  func capabilities(_ paths: [String]) async throws(PalanaError) -> [String: [String]]? {
    do throws(PalanaError) {
      return try await data(
        [String: [String]].self, .POST, "sys/capabilities-self", body: VaultJSON.encode(["paths": paths]))
    } catch {
      guard error.code == .denied else { throw error }
      return nil
    }
  }
}
