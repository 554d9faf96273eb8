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

  @Option(help: "The kubeconfig (default: the service account of this pod, else KUBECONFIG or ~/.kube/config).")
  var kubeconfig: String?

  @Option(help: "The context of the kubeconfig (default: its current one).")
  var context: String?

  @Option(help: "The namespace of the lease by which one of several operators leads (default: that of this pod or of the context).")
  var namespace: String?

  @Option(help: "trace, debug, info, notice, warning or error.")
  var logLevel: String = "info"

  func run() async throws {
    DaemonProcess.harden()
    // The standard output has the audit events.
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var logger = Logger(label: "palanad")
    logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
    do {
      let endpoint = try await endpoint()
      let server = try KubeServer(endpoint)
      let role = OperatorRole(
        file: try OperatorFile.read(config), client: KubeClient(server, fieldManager: OperatorName.fieldManager),
        namespace: namespace ?? endpoint.namespace, logger: logger)
      try role.check()
      try await ServiceGroup(
        configuration: .init(
          services: [.init(service: server), .init(service: role, successTerminationBehavior: .gracefullyShutdownGroup)],
          gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
      ).run()
    } catch let error as PalanaError {
      logger.critical("cannot run", metadata: ["error": "\(error)"])
      throw ExitCode(error.code.exitCode)
    }
  }

  private func endpoint() async throws(PalanaError) -> KubeEndpoint {
    let environment = EnvironmentVariables.all()
    if kubeconfig == nil, context == nil, let inside = try await InCluster.endpoint(environment) { return inside }
    return try await KubeConfig(paths: kubeconfig.map { [$0] } ?? KubeConfig.paths(environment)).endpoint(context: context)
  }
}

/// Waits for its turn, works, and waits again when the turn is lost.
private struct OperatorRole: Service, CustomStringConvertible {
  let file: OperatorFile
  let client: KubeClient
  let namespace: String
  let logger: Logger
  /// Unlike that of every other process.
  private let identity = "\(OperatorRole.host)-\(RandomToken.hex(bytes: 4))"

  init(file: OperatorFile, client: KubeClient, namespace: String, logger: Logger) {
    self.file = file
    self.client = client
    self.namespace = namespace
    self.logger = logger
  }

  var description: String { "OperatorRole" }

  /// - Throws: ``PalanaError`` for a configuration that cannot be used, before anything is waited for.
  func check() throws(PalanaError) { _ = try file.configuration(identity: identity, hasCilium: false) }

  func run() async throws {
    let audit = AuditStream(descriptor: STDOUT_FILENO)
    let election = LeaderElection(client, namespace: namespace, name: OperatorName.lease, identity: identity, logger: logger)
    try? await cancelWhenGracefulShutdown {
      while true {
        try await election.lead {
          // Anew each time: what was true when the turn was lost says nothing now.
          let kinds = try await kinds()
          let configuration = try file.configuration(identity: identity, hasCilium: kinds.contains(.ciliumNetworkPolicy))
          await OperatorEngine(client, configuration, kinds: kinds, audit: audit, logger: logger).run()
        }
        try Task.checkCancellation()
      }
    }
    logger.notice("the operator has ended")
  }

  private func kinds() async throws -> [KubernetesManifest.Kind] {
    while true {
      do throws(KubeError) { return try await OperatorEngine.kinds(of: client) } catch {
        logger.warning("the cluster does not answer", metadata: ["error": "\(error.message)"])
        try await Task.sleep(for: .seconds(2))
      }
    }
  }

  private static var host: String {
    var name = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&name, name.count - 1) == 0 else { return "palanad" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
