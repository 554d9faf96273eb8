import PalanaCore
import PalanaSecrets

/// The configuration of `palanad control` as it is written.
struct ControlFile: Codable {
  struct TLS: Codable {
    var certFile: String
    var keyFile: String
  }

  /// People and programs, as the cluster knows them.
  struct People: Codable {
    var users: [String]?
    var groups: [String]?
  }

  struct Secrets: Codable {
    /// How this pod logs in with its service account.
    struct Kubernetes: Codable {
      var role: String
      var mount: String?
      var tokenFile: String?
    }

    var address: String
    var tokenFile: String?
    var kubernetes: Kubernetes?
    var caFile: String?

    func credential() throws(PalanaError) -> VaultCredential {
      switch (tokenFile, kubernetes) {
      case (let file?, nil): return .tokenFile(file)
      case (nil, let login?):
        return .kubernetes(
          try KubernetesLogin(
            role: login.role, mount: login.mount ?? KubernetesLogin.usualMount, tokenFile: login.tokenFile ?? KubernetesLogin.usualTokenFile
          ))
      default: throw PalanaError(.invalid, "secrets: exactly one of tokenFile and kubernetes says as whom to speak to \(address)")
      }
    }
  }

  /// How people reach the API server of the cluster.
  struct Cluster: Codable {
    var name: String?
    var server: String?
    var caFile: String?
  }

  struct Egress: Codable {
    /// As the gateways have them, for the answers of `pcli egress test`.
    var allowAddresses: [String]?
    var hosts: [String: String]?
  }

  struct Audit: Codable {
    /// Whose trails are taken over.
    struct Collect: Codable {
      /// Service accounts, `system:serviceaccount:NAMESPACE:NAME`.
      var accounts: [String]
      /// Whom their tokens have to be meant for.
      var audience: String?
    }

    var retention: TimeSpan?
    var collect: Collect?
  }

  /// `ADDRESS:PORT`.
  var listen: String?
  var tls: TLS?
  var home: String?
  var installation: String?
  /// Of the installation; absent: that of this pod.
  var namespace: String?
  var audiences: [String]?
  var operators: People?
  var users: People?
  var cluster: Cluster?
  var secrets: Secrets?
  var egress: Egress?
  /// Seconds that a kill waits for the gateways and the operator.
  var killPatience: Int?
  var audit: Audit?

  /// - Throws: ``PalanaError`` with code `invalid` that names file, line and key.
  static func read(_ path: String) throws(PalanaError) -> ControlFile { try RoleFile.read(ControlFile.self, path) }
}

extension ControlFile {
  /// - Throws: ``PalanaError`` with code `invalid`.
  func endpoint() throws(PalanaError) -> LocalConfiguration.Endpoint {
    let text = listen ?? "0.0.0.0:8443"
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port),
      let address = IPAddress(String(text[..<colon]).trimmingBrackets)
    else { throw PalanaError(.invalid, "listen: ‘\(text.prefix(80))’ is not ADDRESS:PORT", hint: "for example 0.0.0.0:8443") }
    return LocalConfiguration.Endpoint(address: address, port: port)
  }

  func patience() throws(PalanaError) -> Duration {
    let seconds = killPatience ?? 20
    guard (1...120).contains(seconds) else { throw PalanaError(.invalid, "killPatience: 1 to 120 seconds") }
    return .seconds(seconds)
  }

  /// How long events are kept.
  func retention() throws(PalanaError) -> Duration {
    let span = audit?.retention?.duration ?? LocalConfiguration().auditRetention
    guard span >= .seconds(3600) else { throw PalanaError(.invalid, "audit.retention: at least 1h is kept") }
    return span
  }

  /// Whose trails are collected; nil: nobody's.
  func senders() throws(PalanaError) -> CollectionSenders? {
    guard let collect = audit?.collect else { return nil }
    let senders = CollectionSenders(accounts: Set(collect.accounts), audience: collect.audience ?? CollectionSenders.usualAudience)
    guard collect.accounts.allSatisfy({ $0.hasPrefix("system:serviceaccount:") && $0.split(separator: ":").count == 4 }) else {
      throw PalanaError(.invalid, "audit.collect.accounts: service accounts are expected", hint: "system:serviceaccount:NAMESPACE:NAME")
    }
    guard !senders.audience.isEmpty, audiences?.contains(senders.audience) != true else {
      throw PalanaError(.invalid, "audit.collect.audience: it has to be another one than those of people's tokens")
    }
    return senders
  }

  func people() -> ClusterPeople {
    ClusterPeople(
      operatorUsers: Set(operators?.users ?? []), operatorGroups: Set(operators?.groups ?? ["system:masters"]),
      users: Set(users?.users ?? []), groups: Set(users?.groups ?? (users == nil ? ["system:authenticated"] : [])))
  }
}

extension String {
  fileprivate var trimmingBrackets: String { hasPrefix("[") && hasSuffix("]") ? String(dropFirst().dropLast()) : self }
}
