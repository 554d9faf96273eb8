package import Logging
package import PalanaAudit
package import PalanaKube

/// Everything of admission that one process of the operator does: it serves the webhooks with a certificate that it keeps, whether it
/// leads or not, and registers them when it leads.
package struct AdmissionService: Sendable {
  private let client: KubeClient
  private let configuration: AdmissionConfiguration
  private let logger: Logger
  private let certificate = ServingCertificate()
  private let bundle = TrustBundle()
  private let registry = AgentRegistry()

  package init(_ client: KubeClient, _ configuration: AdmissionConfiguration, logger: Logger) {
    self.client = client
    self.configuration = configuration
    self.logger = logger
  }

  /// Serves until it is cancelled.
  ///
  /// - Throws: what binding the address throws.
  package func run() async throws {
    let keeper = CertificateKeeper(client, configuration, certificate: certificate, bundle: bundle, logger: logger)
    try await keeper.prepared()
    let judge = AdmissionJudge(configuration, registry: registry, namespaceOwner: AdmissionJudge.owner(client))
    let server = AdmissionServer(judge: judge, registry: registry, certificate: certificate, logger: logger)
    let (registry, client, logger) = (registry, client, logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await keeper.run() }
      group.addTask { await registry.run(client, logger: logger) }
      group.addTask { try await server.run(host: configuration.host, port: configuration.port) }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Tells the API server, and keeps what it was told, until it is cancelled.
  package func register(audit: any AuditSink) async {
    var hasPolicies: Bool?
    while hasPolicies == nil, !Task.isCancelled {
      do throws(KubeError) { hasPolicies = try await client.serves(RegistrationKinds.policies) } catch {
        logger.warning("the cluster does not answer", metadata: ["error": "\(error.message)"])
        try? await Task.sleep(for: .seconds(2))
      }
    }
    guard let hasPolicies else { return }
    if !hasPolicies { logger.warning("this cluster has no admission policies: there are the webhooks only") }
    await RegistrationKeeper(client, configuration, bundle: bundle, hasPolicies: hasPolicies, audit: audit, logger: logger).run()
  }
}
