package import PalanaCore

/// What an existing Vault or OpenBao has to have for a cluster: the KV engine, logins of service accounts, and the policies and roles of
/// the platform's own parts.
package struct ClusterSetup: Sendable {
  /// The namespace of the platform, where its service accounts are.
  package var namespace: String
  /// Where the auth method of service accounts is mounted, below `auth/`.
  package var mount: String
  package var audience: String
  /// The API server as the store reaches it.
  package var kubernetesHost: String
  /// Of the API server's certificate, PEM; nil: what the store's own pod has.
  package var kubernetesCA: String?
  /// The token with which the store asks the API server about others; nil: that of the store's own pod.
  package var reviewer: Redacted<String>?
  /// Whether logins that are set up otherwise already may be changed; others may use them.
  package var replacesLogins: Bool

  /// - Throws: ``PalanaError`` with code `invalid`.
  package init(
    namespace: String, mount: String, audience: String, kubernetesHost: String, kubernetesCA: String? = nil,
    reviewer: Redacted<String>? = nil, replacesLogins: Bool = false
  ) throws(PalanaError) {
    try KubernetesLogin.check(mount: mount)
    let isLabel = namespace.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) || $0 == 45 }
    guard (1...63).contains(namespace.utf8.count), isLabel else {
      throw PalanaError(.invalid, "‘\(namespace.prefix(80))’ is not the name of a namespace")
    }
    self.namespace = namespace
    self.replacesLogins = replacesLogins
    guard !audience.isEmpty, audience.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw PalanaError(.invalid, "the audience of service account tokens is a word")
    }
    guard kubernetesHost.hasPrefix("https://"), kubernetesHost.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw PalanaError(.invalid, "the address of the API server is not https://HOST[:PORT]")
    }
    self.mount = mount
    self.audience = audience
    self.kubernetesHost = kubernetesHost
    self.kubernetesCA = kubernetesCA
    self.reviewer = reviewer
  }

  /// What is looked at, in the order in which it is made.
  package var items: [SetupItem] {
    [kv, kvSettings, logins, loginSettings] + SecretPurpose.cluster.flatMap { [policy($0), role($0)] }
  }

  /// What the token with which this is done has to be allowed.
  package var rights: [SecretPolicy.Grant] {
    let write = ["create", "read", "update"]
    return [
      SecretPolicy.Grant(path: "sys/mounts", capabilities: ["read"]),
      SecretPolicy.Grant(path: "sys/mounts/\(KVPath.mount)", capabilities: ["create", "update"]),
      SecretPolicy.Grant(path: "sys/auth", capabilities: ["read"]),
      SecretPolicy.Grant(path: "sys/auth/\(mount)", capabilities: ["create", "update", "sudo"]),
      SecretPolicy.Grant(path: "\(KVPath.mount)/config", capabilities: write),
      SecretPolicy.Grant(path: "\(KVPath.mount)/metadata", capabilities: ["list"]),
      SecretPolicy.Grant(path: "auth/\(mount)/config", capabilities: write),
    ]
      + SecretPurpose.cluster.flatMap { purpose in
        [
          SecretPolicy.Grant(path: "sys/policies/acl/\(purpose.name)", capabilities: write),
          SecretPolicy.Grant(path: "auth/\(mount)/role/\(purpose.name)", capabilities: write),
        ]
      }
  }

  /// Looks at everything, and writes what is not as it has to be, unless one of them stands in the way of all.
  ///
  /// - Parameter isDry: nothing is written.
  /// - Returns: what was found of each, in order.
  /// - Throws: ``PalanaError``: `denied` that names the missing rights, `conflict` when something of others is in the way (nothing was
  ///   written then), `unreachable`, `failed`.
  package func run(
    _ store: VaultClient, isDry: Bool, clock: any Clock<Duration> = ContinuousClock()
  ) async throws(PalanaError) -> [SetupReport] {
    try await checkRights(store)
    var reports: [SetupReport] = []
    for item in items { reports.append(SetupReport(what: item.what, finding: try await item.look(store))) }
    let refusals = reports.compactMap { report in
      if case .inTheWay(let why) = report.finding { "\(report.what): \(why)" } else { nil }
    }
    guard refusals.isEmpty else {
      throw PalanaError(.conflict, refusals.joined(separator: "; "), hint: "nothing was changed")
    }
    guard !isDry else { return reports }
    for (item, report) in zip(items, reports) where report.finding != .asWanted {
      try await Self.patiently(clock) { () async throws(PalanaError) in try await item.write(store) }
    }
    return reports
  }

  /// Right after the mount an engine still prepares its storage and answers with an error; a few milliseconds, as a rule.
  private static func patiently(
    _ clock: any Clock<Duration>, _ body: () async throws(PalanaError) -> Void
  ) async throws(PalanaError) {
    var pause = Duration.milliseconds(5)
    while true {
      do throws(PalanaError) { return try await body() } catch {
        guard error.code != .denied, pause < .seconds(2), (try? await clock.sleep(for: pause)) != nil else { throw error }
        pause *= 2
      }
    }
  }

  private func checkRights(_ store: VaultClient) async throws(PalanaError) {
    guard let found = try await store.capabilities(rights.map(\.path)) else { return }
    let missing = rights.compactMap { right -> SecretPolicy.Grant? in
      let has = found[right.path] ?? []
      let lacks = right.capabilities.filter { !has.contains($0) && !has.contains("root") }
      return lacks.isEmpty ? nil : SecretPolicy.Grant(path: right.path, capabilities: lacks)
    }
    guard missing.isEmpty else {
      let list = missing.map { "\($0.path) (\($0.capabilities.joined(separator: ", ")))" }.joined(separator: ", ")
      throw PalanaError(
        .denied, "the token may not do everything that is needed; it lacks \(list)",
        hint: "palanad vault policy prints a policy that is enough; nothing was changed")
    }
  }
}

/// One thing that the store has to have.
package struct SetupItem: Sendable {
  package var what: String
  var look: @Sendable (VaultClient) async throws(PalanaError) -> SetupFinding
  var write: @Sendable (VaultClient) async throws(PalanaError) -> Void
}

package enum SetupFinding: Hashable, Sendable {
  case asWanted
  case missing
  /// What is otherwise, by the store's own names.
  case different([String])
  /// It belongs to something else; why.
  case inTheWay(String)
}

package struct SetupReport: Hashable, Sendable {
  package var what: String
  package var finding: SetupFinding
}
