package import PalanaCore
import PalanaKube

/// How the parts of an installation are, by what they say of themselves in the cluster.
package struct InstallationHealth: Sendable {
  package struct Part: Sendable {
    package var name: String
    package var isHealthy: Bool
    /// One sentence.
    package var message: String
  }

  private let stores: ClusterStores
  private let leases: GatewayLeases
  private let clock: WallClock

  package init(_ stores: ClusterStores, namespace: String, clock: WallClock = .system) {
    self.stores = stores
    self.clock = clock
    leases = GatewayLeases(stores, namespace: namespace)
  }

  package func components() async -> [Part] { [cluster(), await gateways(), await engine()] }

  private func cluster() -> Part {
    let failure = stores.directory.failure
    return Part(
      name: "cluster", isHealthy: failure == nil && stores.directory.isSynced,
      message: failure?.message ?? (stores.directory.isSynced ? "is known" : "is not known yet"))
  }

  private func gateways() async -> Part {
    do throws(KubeError) {
      let living = try await leases.living(at: clock.now())
      return Part(
        name: "gateways", isHealthy: !living.isEmpty,
        message: living.isEmpty ? "none lives: agents reach nothing" : "\(living.count): \(living.joined(separator: ", "))")
    } catch {
      return Part(name: "gateways", isHealthy: false, message: error.message)
    }
  }

  private func engine() async -> Part {
    do throws(KubeError) {
      let lives = try await leases.operatorLives(at: clock.now())
      return Part(name: "operator", isHealthy: lives, message: lives ? "one leads" : "none leads: nothing is started, stopped or repaired")
    } catch {
      return Part(name: "operator", isHealthy: false, message: error.message)
    }
  }
}
