import Logging
import PalanaAPI
import PalanaAudit
package import PalanaCore
import PalanaPlan
package import PalanaStore

/// Goes on with what a kill could not finish: a plane that failed is tried again until it is done or the order is taken
/// back.
package actor ContainmentRetries {
  private let cutter: PlaneCutter
  private let store: any ResourceStore
  private let trail: AuditTrail
  private let timer: any Clock<Duration>
  private var pending: [String: Set<AgentID>] = [:]
  private let wake: AsyncStream<Void>
  private let wakeUp: AsyncStream<Void>.Continuation

  package init(cutter: PlaneCutter, store: any ResourceStore, trail: AuditTrail, timer: any Clock<Duration>) {
    self.cutter = cutter
    self.store = store
    self.trail = trail
    self.timer = timer
    (wake, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// What is still to be cut, by plane.
  package var open: [String: Set<AgentID>] { pending }

  /// Takes over a plane that failed.
  func add(_ plane: String, _ agents: Set<AgentID>) {
    pending[plane, default: []].formUnion(agents)
    wakeUp.yield()
  }

  /// Forgets agents whose order was taken back.
  func forget(_ agents: Set<AgentID>) {
    for plane in pending.keys {
      pending[plane]?.subtract(agents)
      if pending[plane]?.isEmpty ?? true { pending[plane] = nil }
    }
  }

  /// Works until the task is cancelled.
  package func run() async {
    for await _ in wake {
      var pause = Duration.milliseconds(500)
      while !pending.isEmpty, !Task.isCancelled {
        try? await timer.sleep(for: pause)
        pause = min(pause * 2, .seconds(10))
        await round()
      }
    }
  }

  private func round() async {
    for plane in cutter.planes {
      guard let waiting = pending[plane.name] else { continue }
      let agents = await stillOrdered(waiting)
      if agents.count < waiting.count { forget(waiting.subtracting(agents)) }
      guard !agents.isEmpty, await cutter.once(.cut, plane, agents) == nil else { continue }
      // Others may have been added during the call.
      pending[plane.name]?.subtract(agents)
      if pending[plane.name]?.isEmpty ?? true { pending[plane.name] = nil }
      trail.note(
        .kill, "contained-late", .info, severity: .critical,
        details: ["plane": plane.name, "agents": agents.sorted().prefix(20).map(\.text).joined(separator: " ")])
    }
  }

  /// The agents that an order still covers; all of them when the store cannot say.
  private func stillOrdered(_ agents: Set<AgentID>) async -> Set<AgentID> {
    guard let orders = try? await store.list(KillOrderSpec.self, owner: nil),
      let known = try? await store.list(AgentSpec.self, owner: nil)
    else { return agents }
    let covered = known.filter { agent in orders.contains { $0.spec.target.covers(agent) } }
    return agents.intersection(covered.compactMap { try? $0.id() })
  }
}
