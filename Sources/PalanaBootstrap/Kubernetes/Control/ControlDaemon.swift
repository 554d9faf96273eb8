import Glibc
import Logging
import PalanaAudit
import PalanaCluster
import PalanaControl
import PalanaControlAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import PalanaPolicy
import PalanaSecrets
import PalanaStore
import ServiceLifecycle
import UnixSignals

/// The control API of a cluster: everything that `palanad control` runs.
struct ControlDaemon {
  let file: ControlFile
  let endpoint: KubeEndpoint
  let logger: Logger
  private let layout: HomeLayout

  init(file: ControlFile, endpoint: KubeEndpoint, logger: Logger) {
    self.file = file
    self.endpoint = endpoint
    self.logger = logger
    layout = HomeLayout(home: file.home ?? LocalConfiguration().home)
  }

  /// Runs until SIGTERM or SIGINT.
  ///
  /// - Throws: ``PalanaError`` that says what stood in the way of the start.
  func run() async throws {
    let retention = try file.retention()
    let senders = try file.senders()
    try layout.prepare([layout.run, layout.auditSpool])
    let lock = try DaemonProcess.lock(layout.lock)
    defer { close(lock) }
    let spool = try AuditSpool(directory: layout.auditSpool)
    let auditLog = try await AuditLog.open(
      path: layout.auditDatabase, spool: spool, retention: retention,
      headKey: try await AuditHeadKey.load(layout.auditHeadKey), logger: logger)
    let server = try KubeServer(endpoint)
    // Changes of people must not look like those of the operator.
    let stores = ClusterStores(KubeClient(server, fieldManager: "palana-control"), logger: logger)
    let values = try secrets()
    let activity = PeopleActivity(directory: stores.directory)
    let control = try await service(
      stores, server, spool, auditLog, values, activity.book, collection(senders, server, auditLog))
    var services: [ServiceGroupConfiguration.ServiceConfiguration] = [.init(service: auditLog), .init(service: server)]
    if let session = values?.session { services.append(.init(service: session)) }
    services += [
      .init(service: DirectoryService(directory: stores.directory)),
      .init(service: activity.reporter(KubeClient(server, fieldManager: "palana-control"), logger: logger)),
      .init(
        service: ControlRole(control: control, directory: stores.directory, logger: logger),
        successTerminationBehavior: .gracefullyShutdownGroup),
    ]
    try await ServiceGroup(
      configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    ).run()
    logger.notice("the control API has ended")
  }

  private var namespace: String { file.namespace ?? endpoint.namespace }

  private func service(
    _ stores: ClusterStores, _ server: KubeServer, _ spool: AuditSpool, _ auditLog: AuditLog, _ values: SecretAccess?,
    _ activity: ActivityBook, _ collection: AuditCollection?
  ) async throws -> ControlService {
    let client = KubeClient(server, fieldManager: "palana-control")
    let reviewer = TokenReviewer(client, audiences: file.audiences ?? [])
    let people = file.people()
    let listen = try file.endpoint()
    var certificate: ServerCertificate?
    if let tls = file.tls {
      certificate = try await ServerCertificate(certificatePath: tls.certFile, keyPath: tls.keyFile)
    }
    let network = ControlConfiguration.Network(address: listen.address, port: listen.port, certificate: certificate) { token in
      guard let subject = try await reviewer.subject(of: token) else { throw Authenticator.unknown }
      return try people.caller(subject)
    }
    let scopes = try ControlScopes(file: file, namespace: namespace, stores: stores, client: client, values: values, logger: logger)
    let probe = ControlProbe(
      file: file, endpoint: endpoint, health: InstallationHealth(stores, namespace: namespace), spool: spool,
      hasSecrets: values != nil, access: try clusterAccess())
    return try ControlService(
      ControlConfiguration(
        socket: nil, network: network, installation: file.installation ?? "palana", version: PalanaVersion.current),
      ControlDependencies(
        scopes: .each { caller throws(PalanaError) in try await scopes.scope(of: caller) },
        audit: spool.makeWriter(label: "control"), auditReader: AuditLogReader(log: auditLog), system: probe.system(), activity: activity,
        collection: collection),
      logger: logger)
  }

  /// - Parameter senders: nil: nothing is collected.
  private func collection(_ senders: CollectionSenders?, _ server: KubeServer, _ log: AuditLog) -> AuditCollection? {
    guard let senders else { return nil }
    let reviewer = TokenReviewer(KubeClient(server, fieldManager: "palana-control"), audiences: [senders.audience])
    return AuditCollection(log: log) { token in
      guard let subject = try await reviewer.subject(of: token) else { throw Authenticator.unknown }
      return try senders.sender(subject)
    }
  }

  /// The store of secrets and the session with it; nil: none is configured.
  struct SecretAccess {
    var secrets: AgentSecrets
    var session: VaultSession
  }

  private func secrets() throws(PalanaError) -> SecretAccess? {
    guard let written = file.secrets else { return nil }
    let server = try VaultServer(address: try VaultAddress.parse(written.address), caFile: written.caFile)
    let session = VaultSession(server: server, credential: try written.credential(), logger: logger)
    return SecretAccess(secrets: AgentSecrets(store: VaultClient(server: server, tokens: .session(session))), session: session)
  }

  /// What people's own tools need; nil: nobody knows how the API server is reached from outside.
  private func clusterAccess() throws(PalanaError) -> ClusterAccess? {
    let isInside = if case .tokenFile(let path) = endpoint.authentication { path.hasPrefix(InCluster.folder) } else { false }
    guard let server = file.cluster?.server ?? (isInside ? nil : endpoint.url) else { return nil }
    let authority =
      if let path = file.cluster?.caFile { try TextFile.read(path) } else {
        endpoint.authorities.map { String(decoding: $0, as: UTF8.self) } ?? ""
      }
    return ClusterAccess(
      name: file.cluster?.name ?? file.installation ?? "palana", server: server, certificateAuthority: authority, namespace: "")
  }
}

/// Keeps the directory of the cluster.
private struct DirectoryService: Service, CustomStringConvertible {
  let directory: ClusterDirectory
  var description: String { "ClusterDirectory" }
  func run() async throws { await cancelWhenGracefulShutdown { await directory.run() } }
}

/// Answers once the cluster is known.
private struct ControlRole: Service, CustomStringConvertible {
  let control: ControlService
  let directory: ClusterDirectory
  let logger: Logger
  var description: String { "ControlRole" }

  func run() async throws {
    do { try await cancelWhenGracefulShutdown { try await directory.ready() } } catch is CancellationError { return }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await control.run() }
      group.addTask {
        guard let port = await control.tcpPort() else { return }
        logger.notice("the control API listens", metadata: ["port": "\(port)"])
      }
      try await group.waitForAll()
    }
  }
}
