import PalanaCore
import PalanaOperator
import PalanaPlan

/// The operator's configuration file as it is written.
struct OperatorFile: Codable {
  /// Pods of a namespace, or ranges of addresses.
  struct Place: Codable {
    var namespace: String?
    var labels: [String: String]?
    var cidrs: [String]?
    /// Of the pods, where that is another one than that of the service.
    var port: Int?

    func facts(_ key: String, port other: Int) throws(PalanaError) -> ClusterFacts.Place {
      guard namespace != nil || cidrs?.isEmpty == false else {
        throw PalanaError(.invalid, "\(key): nobody is meant", hint: "namespace (and labels), or cidrs")
      }
      return ClusterFacts.Place(
        namespace: namespace, labels: labels ?? [:], cidrs: cidrs ?? [], ports: [try OperatorFile.port(port ?? other, "\(key).port")])
    }
  }

  struct Gateway: Codable {
    /// Name or address, as agents reach it.
    var host: String
    var port: Int?
    var pods: Place
  }

  struct Secrets: Codable {
    struct Login: Codable {
      var role: String?
      var mount: String?
      var tokenFile: String?
    }
    /// Base URL, as pods reach it.
    var address: String
    var caFile: String?
    var kubernetes: Login?
    /// Of the tokens of agents' service accounts.
    var audience: String?
  }

  struct LLM: Codable {
    /// Base URL, as agents reach it.
    var url: String
    var port: Int
    var pods: Place
  }

  struct Browser: Codable {
    struct Ingress: Codable {
      var `class`: String
      var annotations: [String: String]?
      var tlsSecret: String?
    }
    struct Parent: Codable {
      var namespace: String
      var name: String
    }
    /// Where requests for agents that rest are answered.
    struct Wake: Codable {
      var port: Int
      /// Of this process; absent: the variable `POD_IP`.
      var address: String?
    }
    var domain: String
    var ingress: Ingress?
    var gateway: Parent?
    var from: Place
    var wake: Wake?
  }

  var gateway: Gateway
  var llm: LLM?
  /// Absent: the pods `k8s-app: kube-dns` in `kube-system`, unless the gateway is known by address.
  var dns: Place?
  var vault: Place?
  /// The secret store behind ``vault``, with which agents get their own secrets.
  var secrets: Secrets?
  /// The image of this program, for containers beside an agent.
  var platformImage: String?
  /// The authority that agents trust, PEM.
  var caFile: String
  /// The installation's key for the agents' passwords at the gateway.
  var proxyKeyFile: String
  var hostImage: String?
  var storageClass: String?
  var userNamespaces: Bool?
  var browser: Browser?
  var workers: Int?
  /// Absent: no webhooks; then nothing keeps people from writing agents of others.
  var admission: AdmissionFile?
  /// Where the audit trail waits until it is collected; with ``audit`` only.
  var home: String?
  var audit: AuditFile?

  /// - Throws: ``PalanaError`` with code `invalid` that names file, line and key.
  static func read(_ path: String) throws(PalanaError) -> OperatorFile { try RoleFile.read(OperatorFile.self, path) }

  static func port(_ port: Int, _ key: String) throws(PalanaError) -> Int {
    guard (1...65_535).contains(port) else { throw PalanaError(.invalid, "\(key): a port is 1 to 65535") }
    return port
  }
}

extension OperatorFile {
  /// Reads what the file names.
  ///
  /// - Parameter hasCilium: whether the cluster has Cilium's policies.
  func configuration(identity: String, hasCilium: Bool) throws(PalanaError) -> OperatorConfiguration {
    let authority = try TextFile.read(caFile)
    guard authority.contains("-----BEGIN CERTIFICATE-----"), !authority.contains("PRIVATE KEY") else {
      throw PalanaError(.invalid, "caFile: \(caFile) is not a certificate (PEM) and nothing else")
    }
    let key = Redacted(Array(try TextFile.read(proxyKeyFile).utf8.filter { $0 > 32 }))
    guard key.reveal().count >= 32 else {
      throw PalanaError(.invalid, "proxyKeyFile: \(proxyKeyFile) is not a key of 32 characters or more")
    }
    let tokens = ProxyTokens(key: key)
    let proxyPort = try Self.port(gateway.port ?? 3128, "gateway.port")
    let address = IPAddress(gateway.host)
    let platform = PlatformFacts(
      gateway: address.map { .address($0) } ?? .name(gateway.host), prefix: 0, proxyPort: proxyPort,
      llm: llm.map { PlatformFacts.LLM(baseURL: $0.url, port: $0.port) }, caBundle: KubernetesRenderer.authorityFolder + "/ca.crt",
      caCertificate: KubernetesRenderer.authorityFolder + "/ca.crt")
    let usual: Place? = address == nil ? Place(namespace: "kube-system", labels: ["k8s-app": "kube-dns"]) : nil
    let facts = ClusterFacts(
      gateway: try gateway.pods.facts("gateway.pods", port: proxyPort),
      llm: try llm.map { llm throws(PalanaError) in try llm.pods.facts("llm.pods", port: llm.port) },
      dns: try (dns ?? usual).map { dns throws(PalanaError) in try dns.facts("dns", port: 53) },
      vault: try vault.map { vault throws(PalanaError) in try vault.facts("vault", port: 8200) },
      names: address == nil ? [gateway.host] + (llm.flatMap { Self.host($0.url) }.map { [$0] } ?? []) : [], caCertificate: authority,
      hostImage: hostImage, storageClass: storageClass, browser: try route(EnvironmentVariables.all()["POD_IP"]),
      hasUserNamespaces: userNamespaces ?? false,
      hasCilium: hasCilium)
    var configuration = OperatorConfiguration(platform: platform, cluster: facts, identity: identity) { tokens.token(uid: $0) }
    configuration.cluster.secretFiles = try secretFiles()
    if let workers { configuration.workers = min(max(workers, 1), 256) }
    return configuration
  }

  /// - Parameter podAddress: of this process.
  private func route(_ podAddress: String?) throws(PalanaError) -> ClusterFacts.Browser? {
    guard let browser else { return nil }
    // The ports follow from the agent.
    let from = try browser.from.facts("browser.from", port: 1)
    let route: ClusterFacts.Browser.Route
    if let ingress = browser.ingress, browser.gateway == nil {
      // The agents' own pages ask for no password.
      guard let annotations = ingress.annotations, !annotations.isEmpty else {
        throw PalanaError(
          .invalid, "browser.ingress.annotations: nothing asks people to sign in",
          hint: "name the annotations with which the ingress controller asks your sign-in about every request")
      }
      route = .ingress(class: ingress.class, annotations: annotations, tlsSecret: ingress.tlsSecret)
    } else if let gateway = browser.gateway, browser.ingress == nil {
      route = .gateway(namespace: gateway.namespace, name: gateway.name)
    } else {
      throw PalanaError(.invalid, "browser: exactly one of ingress and gateway says how people come in")
    }
    let waker = try browser.wake.map { wake throws(PalanaError) in
      guard let address = (wake.address ?? podAddress).flatMap({ IPAddress($0) }) else {
        throw PalanaError(
          .invalid, "browser.wake.address: the address of this pod is needed",
          hint: "set the variable POD_IP from the field status.podIP, or write the address")
      }
      return ClusterFacts.Waker(address: address, port: try Self.port(wake.port, "browser.wake.port"))
    }
    return ClusterFacts.Browser(route: route, domain: browser.domain, from: from, waker: waker)
  }

  /// The host of a base URL.
  static func host(_ url: String) -> String? {
    guard let scheme = url.firstRange(of: "://") else { return nil }
    let rest = url[scheme.upperBound...]
    let host = rest.prefix { $0 != ":" && $0 != "/" }
    return host.isEmpty ? nil : String(host)
  }
}
