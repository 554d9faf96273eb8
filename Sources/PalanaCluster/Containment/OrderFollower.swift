package import PalanaAPI
package import PalanaControlAPI
package import PalanaCore
import PalanaKube
import PalanaStore
import Synchronization

/// Waits until a kill order was obeyed: by every gateway that lives, by the network, by the compute, and by whoever holds credentials.
///
/// Times count from when the request was accepted to when the answer was seen here, on one clock. Nobody is taken at their word who has
/// not spoken: who does not answer in time stands in the report as missing.
package struct OrderFollower: Sendable {
  /// What the operator answers for.
  private static let planes: [KillOrderStatus.Plane] = [.network, .credentials, .compute]

  private let stores: ClusterStores
  private let leases: GatewayLeases
  private let patience: Duration
  private let clock: WallClock

  /// - Parameters:
  ///   - namespace: of the installation, where the leases are.
  ///   - patience: how long an answer is waited for.
  package init(_ stores: ClusterStores, namespace: String, patience: Duration = .seconds(20), clock: WallClock = .system) {
    self.stores = stores
    leases = GatewayLeases(stores, namespace: namespace)
    self.patience = patience
    self.clock = clock
  }

  /// One who has to answer.
  struct Duty: Hashable, Sendable {
    var plane: KillOrderStatus.Plane
    /// nil: anybody, once.
    var by: String?

    /// As the report calls it. The store of secrets is cut where the credentials are.
    var name: String {
      let word = plane == .credentials ? "secrets" : plane.rawValue
      return by.map { "\(word)/\($0)" } ?? word
    }

    func isMet(by entry: KillOrderStatus.Entry) -> Bool { entry.plane == plane && (by == nil || entry.by == by) }
  }

  package func follow(_ order: KillOrder, accepted: ContinuousClock.Instant) async -> [KillReport.Plane] {
    let changes = stores.directory.hub.subscribe(limit: 256)
    var done: [KillReport.Plane] = []
    var open: Set<Duty> = Set(Self.planes.map { Duty(plane: $0, by: nil) })
    do throws(KubeError) {
      let living = try await leases.living(at: clock.now())
      if living.isEmpty {
        done.append(
          .init(
            name: "gateway", milliseconds: accepted.duration(to: .now).milliseconds, attempts: 1,
            error: "no gateway lives, so none answers; one that starts knows the order before it serves anybody"))
      }
      for pod in living { open.insert(Duty(plane: .gateway, by: pod)) }
    } catch {
      // Then at least one has to say so.
      open.insert(Duty(plane: .gateway, by: nil))
    }
    let name = order.metadata.name.text
    let watch = Watch(accepted: accepted, open: open)
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        if watch.take(self.entries(name)) { return }
        for await change in changes where change.event == .resync || change.kind == KillOrderSpec.kind && change.name?.text == name {
          if watch.take(self.entries(name)) { return }
        }
      }
      group.addTask { try? await Task.sleep(for: patience) }
      await group.next()
      group.cancelAll()
    }
    return (done + watch.report(patience)).sorted { $0.name < $1.name }
  }

  private func entries(_ name: String) -> [KillOrderStatus.Entry] {
    guard let object = stores.directory.order(name), let order: KillOrder = try? StoredObject.resource(object) else { return [] }
    return order.status?.planes ?? []
  }
}

/// Who has answered, and when that was seen.
private final class Watch: Sendable {
  private struct State {
    var open: Set<OrderFollower.Duty>
    var done: [OrderFollower.Duty: KillReport.Plane] = [:]
  }

  private let accepted: ContinuousClock.Instant
  private let state: Mutex<State>

  init(accepted: ContinuousClock.Instant, open: Set<OrderFollower.Duty>) {
    self.accepted = accepted
    state = Mutex(State(open: open))
  }

  /// - Returns: whether all have answered.
  func take(_ entries: [KillOrderStatus.Entry]) -> Bool {
    let elapsed = accepted.duration(to: .now).milliseconds
    return state.withLock { state in
      for entry in entries {
        for duty in state.open where duty.isMet(by: entry) {
          state.done[duty] = .init(name: duty.name, milliseconds: elapsed, attempts: 1, error: entry.error)
          // One that failed is waited for on: it may still be done.
          if entry.error == nil { state.open.remove(duty) }
        }
      }
      return state.open.isEmpty
    }
  }

  func report(_ patience: Duration) -> [KillReport.Plane] {
    let elapsed = accepted.duration(to: .now).milliseconds
    return state.withLock { state in
      let missing = state.open.filter { state.done[$0] == nil }.map { duty in
        KillReport.Plane(
          name: duty.name, milliseconds: elapsed, attempts: 1,
          error: "no answer within \(patience.components.seconds) seconds; the order stands, and is obeyed when it is seen")
      }
      return Array(state.done.values) + missing
    }
  }
}
