import ArgumentParser
import Logging
import PalanaCore
import PalanaKube

/// `palanad control`: the control API of a cluster.
struct ControlCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "control", abstract: "Answers pcli in a Kubernetes cluster, with the rights that the cluster gives to whoever asks.")

  @Option(help: "The configuration file.")
  var config: String

  @Option(help: "The kubeconfig (default: the service account of this pod, else KUBECONFIG or ~/.kube/config).")
  var kubeconfig: String?

  @Option(help: "The context of the kubeconfig (default: its current one).")
  var context: String?

  @Option(help: "trace, debug, info, notice, warning or error.")
  var logLevel: String = "info"

  func run() async throws {
    DaemonProcess.harden()
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var logger = Logger(label: "palanad")
    logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
    do {
      let file = try ControlFile.read(config)
      let endpoint = try await KubeEndpoint.configured(kubeconfig: kubeconfig, context: context)
      try await ControlDaemon(file: file, endpoint: endpoint, logger: logger).run()
    } catch let error as PalanaError {
      logger.critical("cannot run", metadata: ["error": "\(error)"])
      throw ExitCode(error.code.exitCode)
    }
  }
}
