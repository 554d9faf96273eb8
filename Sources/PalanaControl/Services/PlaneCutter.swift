package import PalanaControlAPI
package import PalanaCore
package import PalanaPlan

/// Drives all containment planes at once and measures each.
package struct PlaneCutter: Sendable {
  package enum Act: String, Sendable { case cut, restore }

  /// How hard it tries before it reports a plane as failed.
  package struct Effort: Hashable, Sendable {
    /// Tries within one request.
    package var attempts = 3
    /// For one try. A plane must honour cancellation.
    package var timeout: Duration = .seconds(5)
    /// Before the second try; doubles.
    package var pause: Duration = .milliseconds(50)
    package init() {}
  }

  let planes: [any ContainmentPlane]
  let effort: Effort
  let timer: any Clock<Duration>

  package init(
    planes: [any ContainmentPlane], effort: Effort = Effort(), timer: any Clock<Duration> = ContinuousClock()
  ) {
    self.planes = planes
    self.effort = effort
    self.timer = timer
  }

  /// Does it on every plane in parallel; one that fails holds up no other.
  ///
  /// - Parameter accepted: when the request was accepted; times count from there.
  /// - Returns: one entry for each plane, in their order.
  package func perform(
    _ act: Act, on agents: Set<AgentID>, accepted: ContinuousClock.Instant
  ) async -> [KillReport.Plane] {
    await withTaskGroup(of: (Int, KillReport.Plane).self) { group in
      for (index, plane) in planes.enumerated() {
        group.addTask { (index, await insist(act, plane, agents, accepted)) }
      }
      var done: [(Int, KillReport.Plane)] = []
      for await entry in group { done.append(entry) }
      return done.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  private func insist(
    _ act: Act, _ plane: any ContainmentPlane, _ agents: Set<AgentID>, _ accepted: ContinuousClock.Instant
  ) async -> KillReport.Plane {
    var pause = effort.pause
    var attempt = 1
    while true {
      let error = await once(act, plane, agents)
      let elapsed = accepted.duration(to: .now).milliseconds
      guard let error else { return .init(name: plane.name, milliseconds: elapsed, attempts: attempt) }
      guard attempt < effort.attempts, !Task.isCancelled else {
        return .init(name: plane.name, milliseconds: elapsed, attempts: attempt, error: error.message)
      }
      try? await timer.sleep(for: pause)
      pause *= 2
      attempt += 1
    }
  }

  /// One bounded try. - Returns: what went wrong; nil: it is done.
  func once(_ act: Act, _ plane: any ContainmentPlane, _ agents: Set<AgentID>) async -> PalanaError? {
    await withTaskGroup(of: PalanaError?.self) { group in
      group.addTask {
        do throws(PalanaError) {
          switch act {
          case .cut: try await plane.cut(agents)
          case .restore: try await plane.restore(agents)
          }
          return nil
        } catch {
          return error
        }
      }
      group.addTask {
        do {
          try await timer.sleep(for: effort.timeout)
          return PalanaError(.unreachable, "not done within \(effort.timeout)")
        } catch {
          return PalanaError(.unreachable, "the daemon is shutting down")
        }
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }
}
