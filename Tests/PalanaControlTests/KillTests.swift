import PalanaAPI
import PalanaAudit
import PalanaControl
import PalanaControlAPI
import PalanaCore
import PalanaStore
import Synchronization
import Testing

@Suite struct KillTests {
  private static func body(_ target: String, _ reason: String = "drill") -> String {
    #"{"target":\#(target),"reason":"\#(reason)"}"#
  }

  private static func cut(_ world: ControlWorld) -> [Set<AgentID>] { world.planes.map(\.cutAgents) }

  @Test func aKillIsDurableCutsEveryPlaneAndIsMeasured() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await world.makeAgent("calm", of: .alice)
      let report = try await world.call(
        .kill, as: .alice, body: Self.body(#"{"agent":"demo"}"#, "it talks to strangers")
      )
      .decoded(KillReport.self)
      let id = try world.id("demo", of: .alice)
      #expect(report.agents.map(\.id) == [id] && report.orders.count == 1 && report.warnings.isEmpty)
      #expect(report.planes.map(\.name) == ["gateway", "network", "secrets", "compute"])
      #expect(report.planes.allSatisfy { $0.error == nil && $0.attempts == 1 && $0.milliseconds >= 0 })
      #expect(report.totalMilliseconds >= report.planes.map(\.milliseconds).max() ?? 0)
      #expect(Self.cut(world) == Array(repeating: [id], count: 4))
      let order: KillOrder = try await world.store.get(
        KillOrderSpec.self, owner: nil, name: try ResourceName(report.orders[0]))
      #expect(order.spec.target == .agent(id) && order.spec.by.raw == "alice")
      #expect(order.spec.reason == "it talks to strangers")
      let event = try #require(world.events.last { $0.component == .kill })
      #expect(event.agent?.id == id && event.actor?.raw == "alice" && event.severity == .critical)
      #expect(event.details["ms.gateway"] != nil && event.details["reason"] == "it talks to strangers")
      // It does not start again until the order is taken back.
      for operation in [PalanaControlAPI.Operation.resumeAgent, .restartAgent, .runAgent] {
        let answer = try await world.call(
          operation, as: .alice, ["name": "demo"], body: operation == .runAgent ? "{}" : nil)
        #expect(answer.status == 409 && answer.text.contains("it talks to strangers"), "\(operation)")
      }
      let exec = try await world.call(.execInAgent, as: .alice, ["name": "demo"], bytes: [])
      #expect(exec.status == 409)
      let test = try await world.call(
        .testEgress, as: .alice, ["name": "demo"], body: #"{"method":"GET","url":"https://a.example/"}"#
      ).decoded(EgressTestResult.self)
      #expect(!test.allowed && test.reason == "agent_killed")
    }
  }

  @Test func unkillRestoresExactlyWhatNoOtherOrderCovers() async throws {
    try await ControlWorld.run { world in
      for name in ["one", "two"] { try await world.makeAgent(name, of: .alice) }
      let (one, two) = (try world.id("one", of: .alice), try world.id("two", of: .alice))
      try await world.call(.kill, body: Self.body(#"{"owner":"alice"}"#))
      try await world.call(.kill, body: Self.body(#"{"agent":"one"}"#))
      #expect(Self.cut(world) == Array(repeating: [one, two], count: 4))
      let report = try await world.call(.unkill, body: Self.body(#"{"owner":"alice"}"#)).decoded(KillReport.self)
      #expect(report.agents.map(\.id) == [two] && report.orders.count == 1)
      #expect(report.warnings.contains { $0.contains("stay killed") })
      #expect(Self.cut(world) == Array(repeating: [one], count: 4))
      let last = try await world.call(.unkill, body: Self.body(#"{"agent":"one"}"#)).decoded(KillReport.self)
      #expect(last.agents.map(\.id) == [one] && last.warnings.isEmpty)
      #expect(Self.cut(world) == Array(repeating: [], count: 4))
      #expect(try await world.call(.unkill, body: Self.body(#"{"agent":"one"}"#)).status == 404)
      #expect(try await world.call(.resumeAgent, as: .alice, ["name": "one"]).status == 200)
    }
  }

  @Test func allHoldsForAgentsToCome() async throws {
    try await ControlWorld.run { world in
      let empty = try await world.call(.kill, body: Self.body(#"{"all":true}"#)).decoded(KillReport.self)
      #expect(empty.agents.isEmpty && empty.orders.count == 1 && !empty.warnings.isEmpty)
      #expect(world.events.contains { $0.component == .kill && $0.action == "kill" })
      // Creating is possible, running is not.
      try await world.makeAgent("late", of: .alice)
      #expect(try await world.call(.runAgent, as: .alice, ["name": "late"], body: "{}").status == 409)
      #expect(try await world.call(.runAgent, as: .alice, ["name": "later"], body: "{}").status == 409)
      #expect(try await world.call(.unkill, body: Self.body(#"{"all":true}"#)).status == 200)
      #expect(try await world.call(.runAgent, as: .alice, ["name": "late"], body: "{}").status == 200)
    }
  }

  @Test func targetsAndWhoMayNameThem() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      #expect(try await world.call(.kill, body: Self.body(#"{"agent":"nobody"}"#)).status == 404)
      #expect(try await world.call(.kill, as: .bob, body: Self.body(#"{"agent":"demo"}"#)).status == 404)
      for target in [#"{"owner":"alice"}"#, #"{"template":"shell"}"#, #"{"all":true}"#] {
        let answer = try await world.call(.kill, as: .bob, body: Self.body(target))
        #expect(answer.status == 403, "\(target)")
      }
      for target in ["{}", #"{"all":false}"#, #"{"agent":"demo","all":true}"#, "null"] {
        let answer = try await world.call(.kill, body: Self.body(target))
        #expect(answer.status == 400, "\(target) \(answer.text)")
      }
      #expect(Self.cut(world) == Array(repeating: [], count: 4))
      // By template: the agents that would run it.
      let report = try await world.call(.kill, body: Self.body(#"{"template":"shell"}"#)).decoded(KillReport.self)
      #expect(report.agents.map(\.name) == ["demo"])
    }
  }

  @Test func whoWasKilledByAnOperatorCannotUndoIt() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let target = Self.body(#"{"agent":"demo"}"#)
      try await world.call(.kill, as: .alice, body: target)
      try await world.call(.kill, query: [("owner", "alice")], body: target)
      let id = try world.id("demo", of: .alice)
      let own = try await world.call(.unkill, as: .alice, body: target).decoded(KillReport.self)
      #expect(own.orders.count == 1 && own.agents.isEmpty && !own.warnings.isEmpty)
      #expect(try await world.call(.unkill, as: .alice, body: target).status == 403)
      #expect(Self.cut(world) == Array(repeating: [id], count: 4))
      #expect(try await world.call(.unkill, query: [("owner", "alice")], body: target).status == 200)
      #expect(Self.cut(world) == Array(repeating: [], count: 4))
    }
  }

  @Test func aPlaneThatFailsHoldsUpNoOtherAndIsTriedOn() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let id = try world.id("demo", of: .alice)
      world.planes[1].state.withLock { $0.failures = 1 }
      world.planes[2].state.withLock { $0.failures = 4 }
      let report = try await world.call(.kill, body: Self.body(#"{"agent":"demo"}"#)).decoded(KillReport.self)
      #expect(report.planes.map(\.attempts) == [1, 2, 3, 1])
      #expect(report.planes.map { $0.error != nil } == [false, false, true, false])
      #expect(report.warnings.count == 1)
      #expect(world.events.contains { $0.component == .kill && $0.decision == .error })
      try await eventually { world.planes[2].cutAgents == [id] }
      try await eventually { world.events.contains { $0.action == "contained-late" } }
    }
  }

  @Test func aPlaneThatHangsDoesNotHoldUpTheReport() async throws {
    var settings = ControlWorld.Settings()
    settings.effort.timeout = .milliseconds(100)
    settings.effort.attempts = 1
    try await ControlWorld.run(settings) { world in
      try await world.makeAgent("demo", of: .alice)
      world.planes[0].state.withLock { $0.hangs = true }
      let report = try await world.call(.kill, body: Self.body(#"{"agent":"demo"}"#)).decoded(KillReport.self)
      #expect(report.planes[0].error != nil && report.planes.dropFirst().allSatisfy { $0.error == nil })
      #expect(report.totalMilliseconds >= 100)
    }
  }

  @Test func aKillGoesOnWithoutTheAuditTrailAndSaysSo() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let id = try world.id("demo", of: .alice)
      world.sink.isDown.withLock { $0 = true }
      let target = Self.body(#"{"agent":"demo"}"#)
      let report = try await world.call(.kill, body: target).decoded(KillReport.self)
      #expect(report.warnings.contains { $0.contains("audit") })
      #expect(Self.cut(world) == Array(repeating: [id], count: 4))
      // Letting it back is an ordinary change.
      #expect(try await world.call(.unkill, body: target).status == 503)
      #expect(Self.cut(world) == Array(repeating: [id], count: 4))
    }
  }

  @Test func aKillDuringAnUnkillWins() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let id = try world.id("demo", of: .alice)
      let target = Self.body(#"{"agent":"demo"}"#)
      try await world.call(.kill, body: target)
      // The new kill is over before this plane's restore goes on, which undoes its cut.
      world.planes[3].state.withLock { state in
        state.duringRestore = { _ = try? await world.call(.kill, body: target) }
      }
      let report = try await world.call(.unkill, body: target).decoded(KillReport.self)
      #expect(report.warnings.contains { $0.contains("killed again") })
      #expect(Self.cut(world) == Array(repeating: [id], count: 4))
    }
  }

  @Test func manyAtOnce() async throws {
    try await ControlWorld.run { world in
      for number in 0..<20 { try await world.makeAgent("a\(number)", of: .alice) }
      try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<20 {
          group.addTask { try await world.call(.kill, body: Self.body(#"{"agent":"a\#(number)"}"#)).status }
        }
        group.addTask { try await world.call(.kill, body: Self.body(#"{"all":true}"#)).status }
        for try await status in group { #expect(status == 200) }
      }
      #expect(world.planes.allSatisfy { $0.cutAgents.count == 20 })
      try await world.call(.unkill, body: Self.body(#"{"all":true}"#))
      #expect(world.planes.allSatisfy { $0.cutAgents.count == 20 })
    }
  }
}
