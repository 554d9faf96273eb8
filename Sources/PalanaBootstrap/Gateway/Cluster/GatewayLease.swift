import Logging
import PalanaCore
import PalanaKube
import PalanaOperator
import PalanaPolicy
import ServiceLifecycle

/// Tells the cluster that a gateway is there, by a Lease that it renews: a kill is complete when every gateway whose lease lives holds it.
///
/// The lease is written first and the kill orders are read after it. Whoever writes an order and then looks for leases finds either this
/// one, and waits for its answer, or none, and then this gateway finds the order before it allows anything.
struct GatewayLease: Service, CustomStringConvertible {
  static let label = "palana.dev/gateway"

  let source: ClusterSource
  let follower: ClusterFollower
  var clock = MonotonicClock.system
  var wall = WallClock.system
  let logger: Logger

  var description: String { "GatewayLease" }
  var name: String { "palana-gateway-\(source.gateway)" }

  private var interval: Duration { min(.seconds(10), source.patience / 6) }

  /// Renews until graceful shutdown, then gives the lease back.
  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        let isRenewed = self.follower.isSynced ? await self.renewInTime() : false
        // What failed is tried again soon: the time until nothing is allowed runs.
        try? await Task.sleep(for: isRenewed ? self.interval : min(.milliseconds(200), self.interval))
      }
    }
    await Self.limited(.seconds(5)) { await self.release() }
  }

  /// A server that does not answer must not keep the next attempt from being made.
  private func renewInTime() async -> Bool {
    let isRenewed = await Self.limited(source.patience / 3) { () -> Bool in
      let begun = clock.now()
      do throws(KubeError) {
        try await renew()
        try await hold()
        follower.renewed(at: begun)
        return true
      } catch {
        follower.renewalFailed(error.palana)
        logger.warning("the lease could not be renewed", metadata: ["lease.name": "\(name)", "error": "\(error.message)"])
        return false
      }
    }
    return isRenewed ?? false
  }

  private func renew() async throws(KubeError) {
    var object = KubeObject(LeaderElection.leases, namespace: source.namespace, name: name)
    object.setMetadata("labels", [Self.label: "true"])
    // The lease of a pod that is gone goes with it. Outside of a cluster there is none.
    if let pod = try? await source.client.find(ClusterKinds.pods, source.gateway, in: source.namespace) {
      object.setMetadata(
        "ownerReferences",
        [["apiVersion": "v1", "kind": "Pod", "name": .string(source.gateway), "uid": .string(pod.uid)]])
    }
    // A second more than this gateway uses it itself.
    let seconds = source.patience.components.seconds + 2
    object["spec"] = [
      "holderIdentity": .string(source.gateway), "leaseDurationSeconds": .number(JSONNumber(seconds)),
      "renewTime": .string(wall.now().description),
    ]
    _ = try await source.client.apply(LeaderElection.leases, object)
  }

  /// Waits until every order that there is holds here, whatever the watches have told.
  private func hold() async throws(KubeError) {
    let orders = Set(try await source.client.list(ClusterKinds.orders).objects.map(\.uid))
    while !follower.holds(orders) {
      guard (try? await Task.sleep(for: .milliseconds(20))) != nil else {
        throw KubeError(.unreachable, "there is a kill order that the watch has not told of")
      }
    }
  }

  private func release() async {
    do throws(KubeError) {
      try await source.client.delete(LeaderElection.leases, name, in: source.namespace)
    } catch {
      logger.warning("the lease could not be given back", metadata: ["lease.name": "\(name)", "error": "\(error.message)"])
    }
  }

  /// - Returns: nil when the time was over.
  private static func limited<Value: Sendable>(
    _ limit: Duration, _ work: @escaping @Sendable () async -> Value
  ) async -> Value? {
    await withTaskGroup(of: Value?.self) { group in
      group.addTask { await work() }
      group.addTask {
        try? await Task.sleep(for: limit)
        return nil
      }
      defer { group.cancelAll() }
      return await group.next() ?? nil
    }
  }
}
