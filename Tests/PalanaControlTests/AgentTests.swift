import PalanaAPI
import PalanaAudit
import PalanaControl
import PalanaControlAPI
import PalanaCore
import PalanaStore
import Synchronization
import Testing

@Suite struct AgentTests {
  private static let demo = ["name": "demo"]

  @Test func runCreatesStartsAndLeavesAlone() async throws {
    try await ControlWorld.run { world in
      let body = #"{"image":"host","command":["sleep","1"],"env":{"A":"b"},"restart":"Never"}"#
      let first = try await world.call(.runAgent, as: .alice, Self.demo, body: body).decoded(RunResult.self)
      #expect(first.action == .created && first.agent.spec.lifecycle?.desired == .running)
      #expect(first.agent.spec.owner?.raw == "alice" && first.agent.spec.lifecycle?.restart == .never)
      let again = try await world.call(.runAgent, as: .alice, Self.demo, body: body).decoded(RunResult.self)
      #expect(again.action == .unchanged && again.agent == first.agent)
      // Running with something else: the work of the present run is not thrown away by a typing mistake.
      try await world.setStatus("demo", of: .alice, .running)
      let other = try await world.call(.runAgent, as: .alice, Self.demo, body: #"{"command":["sleep","2"]}"#)
      #expect(other.status == 409)
      // It ended by itself: the same wish means a new run.
      try await world.setStatus("demo", of: .alice, .stopped)
      let anew = try await world.call(.runAgent, as: .alice, Self.demo, body: body).decoded(RunResult.self)
      #expect(anew.action == .started && anew.agent.spec.lifecycle?.restartCount == 1)
    }
  }

  private static func lifecycle(
    _ world: ControlWorld, _ operation: PalanaControlAPI.Operation
  ) async throws -> AgentLifecycle? {
    let agent = try await world.call(operation, as: .alice, demo).decoded(Agent.self)
    return agent.spec.lifecycle
  }

  @Test func stopResumeRestart() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      var now = try await Self.lifecycle(world, .stopAgent)
      #expect(now?.desired == .stopped)
      now = try await Self.lifecycle(world, .resumeAgent)
      #expect(now?.desired == .running && now?.restartCount == nil)
      try await world.setStatus("demo", of: .alice, .idle)
      now = try await Self.lifecycle(world, .resumeAgent)
      #expect(now?.restartCount == 1)
      now = try await Self.lifecycle(world, .restartAgent)
      #expect(now?.restartCount == 2)
      let actions = world.events.filter { $0.component == .lifecycle && $0.decision == .allow }.map(\.action)
      #expect(actions == ["create", "resume", "resume", "restart"])
      #expect(world.events.allSatisfy { $0.actor?.raw == "alice" })
    }
  }

  @Test func waitingForAPhaseAndForAnExit() async throws {
    try await ControlWorld.run { world in
      let run = try await world.call(.runAgent, as: .alice, Self.demo, body: "{}").decoded(RunResult.self)
      async let phase = world.call(
        .waitForAgent, as: .alice, Self.demo, query: [("phase", "Running"), ("phase", "Failed")])
      async let exit = world.call(
        .waitForAgent, as: .alice, Self.demo, query: [("exitAfter", run.at.description)])
      try await world.setStatus("demo", of: .alice, .running)
      let reached = try await phase.decoded(WaitResult.self)
      #expect(reached.phase == .running && reached.reached)
      // An exit from before the run is not its exit.
      let early = AgentStatus.LastExit(code: 1, reason: "Error", time: run.at - .seconds(5))
      try await world.setStatus("demo", of: .alice, .running, exit: early)
      let late = AgentStatus.LastExit(code: 42, reason: "Error", time: run.at + .milliseconds(1))
      try await world.setStatus("demo", of: .alice, .stopped, exit: late)
      let ended = try await exit.decoded(WaitResult.self)
      #expect(ended.exitCode == 42 && ended.reached && ended.lastExit == late)
      let none = try await world.call(
        .waitForAgent, as: .alice, Self.demo, query: [("phase", "Idle"), ("timeout", "0")]
      )
      .decoded(WaitResult.self)
      #expect(!none.reached && none.phase == .stopped)
      #expect(
        try await world.call(.waitForAgent, as: .alice, Self.demo, query: [("phase", "Nonsense")]).status == 400)
    }
  }

  @Test func aWaitEndsWhenTheAgentIsKilledOrGone() async throws {
    try await ControlWorld.run { world in
      let run = try await world.call(.runAgent, as: .alice, Self.demo, body: "{}").decoded(RunResult.self)
      async let killed = world.call(.waitForAgent, as: .alice, Self.demo, query: [("exitAfter", run.at.description)])
      try await world.setStatus("demo", of: .alice, .killed)
      let result = try await killed.decoded(WaitResult.self)
      #expect(result.phase == .killed && result.exitCode == nil && result.reached)
      async let gone = world.call(.waitForAgent, as: .alice, Self.demo, query: [("phase", "Running")])
      let agent = try await world.call(.getAgent, as: .alice, Self.demo).decoded(Agent.self)
      try await world.store.remove(
        AgentSpec.self, owner: try UserIdentity("alice"), name: agent.metadata.name,
        uid: try #require(agent.metadata.uid))
      #expect(try await gone.status == 404)
    }
  }

  @Test func logsAreLines() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let answer = try await world.call(.agentLogs, as: .alice, Self.demo)
      #expect(try answer.lines.map { $0["text"]?.string } == ["line 0", "line 1", "line 2"])
      #expect(try answer.lines.map { $0["stream"]?.string } == ["stdout", "stderr", "stdout"])
      // A stream that breaks says why in its last line.
      let broken = try await world.call(.agentLogs, as: .alice, Self.demo, query: [("previous", "true")])
      #expect(try broken.lines.last?["error"]?["code"]?.string == "not_found")
      let bad = try await world.call(.agentLogs, as: .alice, Self.demo, query: [("since", "yesterday")])
      #expect(bad.status == 400)
    }
  }

  @Test func filesStreamInAndOut() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let tar = [UInt8](repeating: 9, count: 3 << 20)
      let put = try await world.call(
        .copyIntoAgent, as: .alice, Self.demo, query: [("path", "/data/x")], bytes: tar,
        headers: [("content-type", "application/x-tar")])
      #expect(put.status == 204)
      let back = try await world.call(.copyFromAgent, as: .alice, Self.demo, query: [("path", "/data/x")])
      #expect(back.bytes == tar)
      for path in ["data", "/data/../etc", "", "/a\u{0}b"] {
        let answer = try await world.call(.copyFromAgent, as: .alice, Self.demo, query: [("path", path)])
        #expect(answer.status == 400, "\(path)")
      }
      #expect(try await world.call(.copyFromAgent, as: .alice, Self.demo, query: [("path", "/none")]).status == 404)
      #expect(Set(world.events.map(\.action)).isSuperset(of: ["copy-in", "copy-out"]))
    }
  }

  @Test func deletionIsMarkedAndPurgeTakesTheSecrets() async throws {
    try await ControlWorld.run { world in
      for name in ["keep", "purge"] {
        try await world.makeAgent(name, of: .alice)
        try await world.call(
          .addSecret, as: .alice, ["name": name], body: #"{"name":"KEY","values":{"token":"v"}}"#)
      }
      let kept = try await world.call(.deleteAgent, as: .alice, ["name": "keep"]).decoded(DeleteResult.self)
      #expect(!kept.done)
      try await world.call(.deleteAgent, as: .alice, ["name": "purge"], query: [("purge", "true")])
      #expect(world.secrets.values.withLock { $0.keys.sorted() } == ["alice/keep/KEY"])
      let keep = try await world.call(.getAgent, as: .alice, ["name": "keep"]).decoded(Agent.self)
      let purge = try await world.call(.getAgent, as: .alice, ["name": "purge"]).decoded(Agent.self)
      #expect(keep.metadata.deletionTimestamp != nil && keep.metadata.annotations == nil)
      #expect(purge.metadata.deletionTimestamp != nil)
      #expect(purge.metadata.annotations?[ControlAnnotation.purge] == "true")
      #expect(try await world.call(.resumeAgent, as: .alice, ["name": "keep"]).status == 409)
      // It can be asked for again, now with everything.
      #expect(
        try await world.call(.deleteAgent, as: .alice, ["name": "keep"], query: [("purge", "true")]).status == 200)
      #expect(world.secrets.values.withLock { $0.isEmpty })
      world.secrets.isDown.withLock { $0 = true }
      try await world.makeAgent("third", of: .alice)
      let failed = try await world.call(.deleteAgent, as: .alice, ["name": "third"], query: [("purge", "true")])
      #expect(failed.status == 503)
      let third = try await world.call(.getAgent, as: .alice, ["name": "third"]).decoded(Agent.self)
      #expect(third.metadata.deletionTimestamp == nil)
    }
  }
}
