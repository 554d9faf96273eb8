import ArgumentParser
import Logging
import PalanaCore
import PalanaKube

/// The options of every role that works in a cluster.
struct ClusterOptions: ParsableArguments {
  @Option(help: "The kubeconfig (default: the service account of this pod, else KUBECONFIG or ~/.kube/config).")
  var kubeconfig: String?

  @Option(help: "The context of the kubeconfig (default: its current one).")
  var context: String?

  @Option(help: "The namespace of the installation (default: that of this pod or of the context).")
  var namespace: String?

  @Option(help: "trace, debug, info, notice, warning or error.")
  var logLevel: String = "info"

  func logger() -> Logger {
    var logger = Logger(label: "palanad")
    logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
    return logger
  }

  /// - Throws: ``PalanaError`` when there is no cluster to speak to.
  func endpoint() async throws(PalanaError) -> KubeEndpoint {
    try await KubeEndpoint.configured(kubeconfig: kubeconfig, context: context)
  }
}
