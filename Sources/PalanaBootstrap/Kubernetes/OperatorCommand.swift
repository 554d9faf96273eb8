import ArgumentParser
import Glibc
import Logging
import PalanaAudit
import PalanaCore
import PalanaKube
import PalanaOperator
import PalanaPlan
import ServiceLifecycle
import UnixSignals

/// `palanad operator`: the engine of a cluster.
struct OperatorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "operator", abstract: "Runs agents in a Kubernetes cluster: makes and keeps everything that they need there.")

  @Option(help: "The configuration file.")
  var config: String

  @OptionGroup var cluster: ClusterOptions

  func run() async throws {
    DaemonProcess.harden()
    // The standard output has the audit events.
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    let logger = cluster.logger()
    do {
      let endpoint = try await cluster.endpoint()
      let server = try KubeServer(endpoint)
      let file = try OperatorFile.read(config)
      let store = try file.secretStore(logger: logger)
      let trail = try await RoleTrail.open(home: file.home, file.audit, label: "operator", logger: logger)
      let role = OperatorRole(
        file: file, audit: trail.sink, client: KubeClient(server, fieldManager: OperatorName.fieldManager), store: store,
        namespace: cluster.namespace ?? endpoint.namespace, logger: logger)
      try role.check()
      var services: [ServiceGroupConfiguration.ServiceConfiguration] = trail.services.map { .init(service: $0) }
      services.append(.init(service: server))
      if let store { services += [.init(service: store.server), .init(service: store.session)] }
      services.append(.init(service: role, successTerminationBehavior: .gracefullyShutdownGroup))
      if let wake = role.wakeServer { services.append(.init(service: wake)) }
      try await ServiceGroup(
        configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
      ).run()
    } catch let error as PalanaError {
      logger.critical("cannot run", metadata: ["error": "\(error)"])
      throw ExitCode(error.code.exitCode)
    }
  }
}

/// Waits for its turn, works, and waits again when the turn is lost.
private struct OperatorRole: Service, CustomStringConvertible {
  let file: OperatorFile
  let audit: any AuditSink
  let client: KubeClient
  let store: OperatorStore?
  let namespace: String
  let logger: Logger
  private let current = CurrentEngine()
  /// Unlike that of every other process.
  private let identity = "\(HostName.current)-\(RandomToken.hex(bytes: 4))"

  init(file: OperatorFile, audit: any AuditSink, client: KubeClient, store: OperatorStore?, namespace: String, logger: Logger) {
    self.file = file
    self.audit = audit
    self.client = client
    self.store = store
    self.namespace = namespace
    self.logger = logger
  }

  var description: String { "OperatorRole" }

  /// - Throws: ``PalanaError`` for a configuration that cannot be used, before anything is waited for.
  func check() throws(PalanaError) {
    let configuration = try file.configuration(identity: identity, hasCilium: false)
    _ = try file.admission?.configuration(namespace: namespace, configuration)
  }

  /// Answers for agents that rest, where the configuration says so.
  var wakeServer: (any Service)? {
    guard let browser = file.browser, let wake = browser.wake else { return nil }
    return WakeServer(domain: browser.domain) { [current] id in await current.value?.wake(id) }.service(port: wake.port, logger: logger)
  }

  func run() async throws {
    try await cancelWhenGracefulShutdown {
      do {
        guard let section = file.admission else { return try await lead(nil) }
        let engine = try await userName()
        let configuration = try file.configuration(identity: identity, hasCilium: false)
        let admission = AdmissionService(
          client, try section.configuration(namespace: namespace, engine: engine, configuration), logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await admission.run() }
          group.addTask { try await lead(admission) }
          // Without one of the two, the other must not go on as if nothing had happened.
          defer { group.cancelAll() }
          try await group.next()
        }
      } catch {
        guard Task.isCancelled else { throw error }
      }
    }
    logger.notice("the operator has ended")
  }

  private func lead(_ admission: AdmissionService?) async throws {
    let election = LeaderElection(client, namespace: namespace, name: OperatorName.lease, identity: identity, logger: logger)
    while true {
      try await election.lead {
        // Anew each time: what was true when the turn ended says nothing now.
        let kinds = try await kinds()
        var configuration = try file.configuration(identity: identity, hasCilium: kinds.contains(.ciliumNetworkPolicy))
        if let store { configuration.grants = GrantKeeper(store.grants, audience: store.audience, refresh: configuration.resync * 0.9) }
        await withDiscardingTaskGroup { group in
          if let admission { group.addTask { await admission.register(audit: audit) } }
          let engine = OperatorEngine(client, configuration, kinds: kinds, audit: audit, logger: logger)
          current.set(engine)
          await engine.run()
          current.set(nil)
          group.cancelAll()
        }
      }
      try Task.checkCancellation()
    }
  }

  private func userName() async throws -> String {
    try await answered { () async throws(KubeError) in try await client.userName() }
  }

  private func kinds() async throws -> [KubernetesManifest.Kind] {
    try await answered { () async throws(KubeError) in try await OperatorEngine.kinds(of: client) }
  }

  private func answered<Value: Sendable>(_ ask: () async throws(KubeError) -> Value) async throws -> Value {
    while true {
      do throws(KubeError) { return try await ask() } catch {
        logger.warning("the cluster does not answer", metadata: ["error": "\(error.message)"])
        try await Task.sleep(for: .seconds(2))
      }
    }
  }
}
