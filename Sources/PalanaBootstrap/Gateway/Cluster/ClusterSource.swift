import PalanaCore
import PalanaKube

/// The cluster whose agents a gateway serves, and what the gateway is called there.
struct ClusterSource: Sendable {
  let server: KubeServer
  let client: KubeClient
  /// Where the lease of this gateway is.
  let namespace: String
  /// The name of its pod: unlike that of every other gateway.
  let gateway: String
  /// How long what is known of the cluster may be used when the API server does not answer.
  let patience: Duration

  /// - Throws: ``PalanaError`` when the configuration does not lead to an API server.
  init(_ configuration: LocalConfiguration.Gateway.Cluster) async throws(PalanaError) {
    let endpoint = try await KubeEndpoint.configured(
      kubeconfig: configuration.kubeconfig.isEmpty ? nil : configuration.kubeconfig,
      context: configuration.context.isEmpty ? nil : configuration.context)
    gateway = configuration.podName.isEmpty ? HostName.current : configuration.podName
    server = try KubeServer(endpoint)
    // Of every gateway another one, so that each owns its own entry in the orders; 128 is the API server's limit.
    client = KubeClient(server, fieldManager: String("palana-gateway-\(gateway)".prefix(128)))
    namespace = configuration.namespace.isEmpty ? endpoint.namespace : configuration.namespace
    patience = configuration.patience
  }
}
