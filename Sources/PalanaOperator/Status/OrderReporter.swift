import Logging
import PalanaAPI
import PalanaCore
import PalanaKube
import Synchronization

/// What went wrong when agents were cut off.
final class CutLedger: Sendable {
  private let failures = Mutex<[ObjectKey: [KillOrderStatus.Plane: String]]>([:])

  /// - Parameter failed: the planes that could not be cut this time.
  func note(_ agent: ObjectKey, _ failed: [KillOrderStatus.Plane: String]) {
    failures.withLock { $0[agent] = failed.isEmpty ? nil : failed }
  }

  func failure(_ agent: ObjectKey, _ plane: KillOrderStatus.Plane) -> String? { failures.withLock { $0[agent]?[plane] } }
}

/// Says in kill orders what the operator has done about them.
struct OrderReporter: Sendable {
  let copy: ClusterCopy
  let cluster: any ClusterWriting
  let cuts: [Cut]
  let ledger: CutLedger
  let clock: WallClock
  let logger: Logger

  /// One look at one order.
  func reconcile(_ key: ObjectKey) async -> WorkQueue<ObjectKey>.Outcome {
    guard let order = copy.orders[key], !order.isDeleting else { return .done }
    let entries = entries(order)
    guard entries != order.entries else { return .done }
    var object = KubeObject(ClusterKinds.orders, name: key.name)
    object.setMetadata("uid", .string(order.uid))
    do {
      object["status"] = try JSONValue(encoding: KillOrderStatus(planes: entries))
      _ = try await cluster.apply(ClusterKinds.orders, object, subresource: "status")
      return .done
    } catch {
      let failure = error as? KubeError
      // It is gone, or another one of its name: the watch tells.
      if failure?.kind == .notFound || failure?.kind == .conflict { return .done }
      logger.warning("a kill order could not be answered", metadata: ["order": "\(key.name)", "error": "\(error)"])
      return .failed(pause: failure?.retryAfter)
    }
  }

  /// What is to be said. What was done once stays said while something else undoes it and it is done again; a failure does not.
  private func entries(_ order: SeenOrder) -> [KillOrderStatus.Entry] {
    let covered = copy.agents.all.values.filter(order.covers)
    return order.planes.compactMap { plane in
      let said = order.entries.first { $0.plane == plane }
      switch state(plane, covered) {
      case .open: return said
      case .done:
        if let said, said.error == nil { return said }
        return KillOrderStatus.Entry(plane: plane, by: OperatorName.inOrders, at: clock.now())
      case .failed(let why):
        if let said, said.error == why { return said }
        return KillOrderStatus.Entry(plane: plane, by: OperatorName.inOrders, at: clock.now(), error: why)
      }
    }
  }

  private enum PlaneState {
    case open
    case done
    case failed(String)
  }

  private func state(_ plane: KillOrderStatus.Plane, _ covered: [SeenAgent]) -> PlaneState {
    let cuts = self.cuts.filter { $0.plane == plane }
    var isOpen = false
    for agent in covered {
      guard let identity = agent.identity, !cuts.allSatisfy({ $0.isDone(agent, identity) }) else { continue }
      if let why = ledger.failure(agent.key, plane) { return .failed(String("\(agent.key): \(why)".prefix(500))) }
      isOpen = true
    }
    return isOpen ? .open : .done
  }
}
