import PalanaAPI
import PalanaAudit
import PalanaControl
import PalanaControlAPI
import PalanaCore
import Synchronization
import Testing

extension ControlWorld {
  /// Two results, and then the fate that `attackFate` says.
  var attack: AgentAttacker {
    { [self] agent, run, report in
      attackFate.withLock { $0.runs.append(run) }
      try await report(Self.record(.held))
      if attackFate.withLock({ $0.waits }) { try await Task.sleep(for: .seconds(3600)) }
      if attackFate.withLock({ $0.fails }) { throw PalanaError(.conflict, "it stopped") }
      try await report(Self.record(.broken))
    }
  }

  private static func record(_ verdict: AttackRecord.Verdict) -> AttackRecord {
    AttackRecord(
      family: .names, name: "connect-plain", claim: "It is refused.", verdict: verdict, sent: "CONNECT x.invalid:443",
      came: "HTTP/1.1 200 OK (20 bytes)", advice: verdict == .broken ? "look at the rules" : nil, of: 2)
  }

  func attackEvents() -> [AuditEvent] { events.filter { $0.action.hasPrefix("attack") } }
}

/// Attacks on live agents: who may, when, and what is written down.
@Suite struct AttackTests {
  private static let demo = ["name": "demo"]

  @Test func resultsAreLinesBetweenTwoEvents() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await world.setStatus("demo", of: .alice, .running)
      let answer = try await world.call(.attackAgent, as: .alice, Self.demo)
      #expect(answer.status == 200)
      #expect(try answer.lines.map { $0["verdict"]?.string } == ["held", "broken"])
      let events = world.attackEvents()
      #expect(events.map(\.action) == ["attack", "attack-end"])
      #expect(events.map(\.actor?.raw) == ["alice", "alice"])
      #expect(events.allSatisfy { $0.agent?.name == "demo" && $0.details["run"] == world.attackFate.withLock { $0.runs.first } })
      #expect(events.last?.details["held"] == "1" && events.last?.details["broken"] == "1" && events.last?.details["notApplicable"] == "0")
      #expect(events.map(\.severity) == [.normal, .critical])
    }
  }

  @Test func onlyAgentsThatRun() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let never = try await world.call(.attackAgent, as: .alice, Self.demo)
      #expect(never.status == 409 && never.text.contains("does not run"))
      try await world.setStatus("demo", of: .alice, .running)
      #expect(try await world.call(.attackAgent, as: .bob, Self.demo).status == 404)
      try await world.call(.kill, as: .alice, body: #"{"target":{"agent":"demo"},"reason":"drill"}"#)
      #expect(try await world.call(.attackAgent, as: .alice, Self.demo).status == 409)
      #expect(world.attackFate.withLock { $0.runs.isEmpty })
    }
  }

  @Test func oneAtATimeAndAGoneClientEndsIt() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await world.setStatus("demo", of: .alice, .running)
      world.attackFate.withLock { $0.waits = true }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { _ = try? await world.call(.attackAgent, as: .alice, Self.demo) }
        try await eventually { world.attackEvents().count == 1 }
        let second = try await world.call(.attackAgent, as: .alice, Self.demo)
        #expect(try second.lines.last?["error"]?["code"]?.string == "conflict")
        group.cancelAll()
      }
      try await eventually { world.attackEvents().count == 2 }
      #expect(world.attackEvents().last?.decision == .error)
    }
  }

  @Test func whatBreaksOffSaysWhy() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await world.setStatus("demo", of: .alice, .running)
      world.attackFate.withLock { $0.fails = true }
      let answer = try await world.call(.attackAgent, as: .alice, Self.demo)
      #expect(try answer.lines.last?["error"]?["message"]?.string == "it stopped")
      #expect(world.attackEvents().last?.reason == "conflict")
    }
  }

  @Test func nothingWithoutTheAuditTrail() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await world.setStatus("demo", of: .alice, .running)
      world.sink.isDown.withLock { $0 = true }
      let answer = try await world.call(.attackAgent, as: .alice, Self.demo)
      #expect(try answer.lines.last?["error"]?["code"]?.string == "unreachable")
      #expect(world.attackFate.withLock { $0.runs.isEmpty })
    }
  }
}
