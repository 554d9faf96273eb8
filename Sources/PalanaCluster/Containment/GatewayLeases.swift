import PalanaCore
import PalanaKube

/// The leases in the namespace of the installation, by which its parts say that they live.
struct GatewayLeases: Sendable {
  private static let leases = KubeResource("coordination.k8s.io", "v1", "leases", kind: "Lease")
  private static let selector = "palana.dev/gateway=true"
  private static let prefix = "palana-gateway-"
  private static let ofOperator = "palana-operator"
  /// What the clocks of two machines may differ by: a lease that may still live counts as living.
  private static let tolerance = Duration.seconds(5)

  private let client: KubeClient
  private let namespace: String

  init(_ stores: ClusterStores, namespace: String) {
    client = stores.client
    self.namespace = namespace
  }

  /// The names of the pods of gateways that live.
  func living(at now: Timestamp) async throws(KubeError) -> [String] {
    try await client.list(Self.leases, Selection(namespace: namespace, labels: Self.selector)).objects
      .filter { Self.isAlive($0, at: now) }
      .map { $0.name.hasPrefix(Self.prefix) ? String($0.name.dropFirst(Self.prefix.count)) : $0.name }.sorted()
  }

  func operatorLives(at now: Timestamp) async throws(KubeError) -> Bool {
    guard let lease = try await client.find(Self.leases, Self.ofOperator, in: namespace) else { return false }
    return lease["spec"]?["holderIdentity"]?.string?.isEmpty == false && Self.isAlive(lease, at: now)
  }

  static func isAlive(_ lease: KubeObject, at now: Timestamp) -> Bool {
    guard let seconds = lease["spec"]?["leaseDurationSeconds"]?.int, (0...86_400).contains(seconds),
      let renewed = lease["spec"]?["renewTime"]?.string.flatMap({ Timestamp(parsing: $0) })
    else { return true }
    return renewed + .seconds(seconds) + tolerance > now
  }
}
