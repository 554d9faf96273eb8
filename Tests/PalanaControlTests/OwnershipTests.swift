import PalanaAPI
import PalanaAudit
import PalanaControlAPI
import PalanaCore
import Testing

/// Nobody but operators sees or touches what belongs to others, and cannot even learn that it exists.
@Suite struct OwnershipTests {
  /// Every operation on one agent or object, with a body that would do.
  static let onAgents: [(PalanaControlAPI.Operation, [(name: String, value: String)], String?)] = [
    (.getAgent, [], nil), (.updateAgent, [], ControlWorld.agent("hers")), (.deleteAgent, [], nil),
    (.stopAgent, [], nil), (.resumeAgent, [], nil), (.restartAgent, [], nil),
    (.waitForAgent, [("timeout", "0")], nil), (.agentLogs, [], nil), (.execInAgent, [], ""),
    (.attackAgent, [], nil),
    (.copyIntoAgent, [("path", "/data")], ""), (.copyFromAgent, [("path", "/data")], nil),
    (.addSecret, [], #"{"name":"X","values":{"token":"v"}}"#), (.listSecrets, [], nil),
    (.rotateSecret, [], #"{"values":{"token":"v"}}"#), (.bindSecret, [], #"{"hosts":["a.example"]}"#),
    (.removeSecret, [], nil), (.listEgressRules, [], nil), (.addEgressRule, [], #"{"host":"a.example"}"#),
    (.removeEgressRule, [], nil), (.testEgress, [], #"{"method":"GET","url":"https://a.example/"}"#),
  ]

  @Test func foreignAndUnknownAgentsLookTheSame() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("hers", of: .alice)
      for (operation, query, body) in Self.onAgents {
        func answer(_ name: String) async throws -> Answer {
          try await world.call(
            operation, as: .bob, ["name": name, "secret": "X", "id": "r"], query: query,
            body: body?.replacing("\"hers\"", with: "\"\(name)\""))
        }
        let foreign = try await answer("hers")
        let unknown = try await answer("nope")
        #expect(
          foreign.status == 404 && unknown.status == 404,
          "\(operation): \(foreign.status) \(unknown.status) \(foreign.text)")
        #expect(foreign.text.replacing("hers", with: "nope") == unknown.text, "\(operation)")
      }
      #expect(try await world.call(.getAgent, as: .alice, ["name": "hers"]).status == 200)
      #expect(world.events.contains { $0.decision == .deny && $0.actor?.raw == "bob" && $0.reason == "not_found" })
    }
  }

  @Test func namingAnotherOwnerIsForOperators() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("hers", of: .alice)
      let named = [(name: "owner", value: "alice")]
      #expect(try await world.call(.getAgent, as: .bob, ["name": "hers"], query: named).status == 404)
      #expect(try await world.call(.listAgents, as: .bob, query: named).status == 403)
      #expect(try await world.call(.stopAgent, as: .bob, ["name": "hers"], query: named).status == 403)
      #expect(try await world.call(.createAgent, as: .bob, query: named, body: ControlWorld.agent("x")).status == 403)
      let spec = ControlWorld.agent("x", spec: #"{"owner":"alice"}"#)
      #expect(try await world.call(.createAgent, as: .bob, body: spec).status == 403)
      #expect(try await world.call(.apply, as: .bob, body: spec).status == 403)
      #expect(
        try await world.call(.kill, as: .bob, query: named, body: #"{"target":{"agent":"hers"},"reason":""}"#).status
          == 404)
      #expect(try await world.call(.stopAgent, ["name": "hers"], query: named).status == 200)
      #expect(try await world.call(.createAgent, query: named, body: ControlWorld.agent("x")).status == 201)
      let both = try await world.call(
        .createAgent, query: named, body: ControlWorld.agent("y", spec: #"{"owner":"bob"}"#))
      #expect(both.status == 400)
    }
  }

  @Test func listsShowOnesOwnAndOperatorsEverything() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("one", of: .alice)
      try await world.makeAgent("one", of: .bob)
      try await world.makeAgent("two", of: .bob)
      func owners(_ person: ControlWorld.Person, _ query: [(name: String, value: String)] = []) async throws -> [String] {
        try await world.call(.listAgents, as: person, query: query).decoded(ResourceList<AgentSpec>.self).items
          .map { "\($0.spec.owner?.raw ?? "")/\($0.metadata.name)" }.sorted()
      }
      #expect(try await owners(.alice) == ["alice/one"])
      #expect(try await owners(.bob) == ["bob/one", "bob/two"])
      #expect(try await owners(.root) == ["alice/one", "bob/one", "bob/two"])
      #expect(try await owners(.root, [("owner", "alice")]) == ["alice/one"])
      let status = try await world.call(.status, as: .alice).decoded(InstallationStatus.self)
      #expect(status.agents == ["Pending": 1])
      // An operator may leave the owner out when only one person has an agent of this name.
      #expect(try await world.call(.getAgent, ["name": "two"]).status == 200)
      let ambiguous = try await world.call(.getAgent, ["name": "one"])
      #expect(ambiguous.status == 409 && ambiguous.text.contains("alice"))
      // A change needs the owner to be said.
      #expect(try await world.call(.stopAgent, ["name": "two"]).status == 404)
    }
  }

  @Test func theOwnerIsTheCallerAndStays() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("mine", of: .alice)
      let agent = try await world.call(.getAgent, as: .alice, ["name": "mine"]).decoded(Agent.self)
      #expect(agent.spec.owner?.raw == "alice")
      let stolen = ControlWorld.agent("mine", spec: #"{"owner":"root"}"#)
      let answer = try await world.call(
        .updateAgent, ["name": "mine"], query: [("owner", "alice")], body: stolen)
      #expect(answer.status == 400)
      // An operator's write without an owner keeps it.
      let same = try await world.call(
        .updateAgent, ["name": "mine"], query: [("owner", "alice")],
        body: ControlWorld.agent("mine", spec: #"{"env":{"A":"b"}}"#)
      ).decoded(Agent.self)
      #expect(same.spec.owner?.raw == "alice" && same.spec.env == ["A": "b"])
    }
  }

  @Test func theInstallationsOwnKindsAreForOperators() async throws {
    try await ControlWorld.run { world in
      func manifest(_ kind: String, _ spec: String) -> String {
        #"{"apiVersion":"palana.dev/v1alpha1","kind":"\#(kind)","metadata":{"name":"x"},"spec":\#(spec)}"#
      }
      let policy = manifest("EgressPolicy", #"{"rules":[{"host":"example.com"}]}"#)
      let template = manifest("AgentTemplate", #"{"image":"host","command":["sh"]}"#)
      for (operation, body) in [
        (PalanaControlAPI.Operation.createPolicy, policy), (.createTemplate, template), (.apply, policy),
        (.apply, template),
      ] {
        let answer = try await world.call(operation, as: .alice, body: body)
        #expect(answer.status == 403, "\(operation)")
      }
      #expect(try await world.call(.deletePolicy, as: .alice, ["name": "x"]).status == 403)
      #expect(try await world.call(.listPolicies, as: .alice).status == 200)
      for operation in [PalanaControlAPI.Operation.listKillOrders, .verifyAudit, .shutdown] {
        let answer = try await world.call(operation, as: .alice, body: operation == .shutdown ? "{}" : nil)
        #expect(answer.status == 403, "\(operation)")
      }
      for kind in ["SecretBinding", "KillOrder"] {
        let answer = try await world.call(.apply, body: manifest(kind, "{}"))
        #expect(answer.status == 400)
      }
    }
  }

  @Test func theAuditTrailShowsOnesOwn() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("hers", of: .alice)
      try await world.makeAgent("his", of: .bob)
      try await world.waitForAudit(.init(agent: "his"))
      func names(_ person: ControlWorld.Person) async throws -> Set<String> {
        Set(try await world.call(.audit, as: person).lines.compactMap { $0["agent"]?["name"]?.string })
      }
      #expect(try await names(.alice) == ["hers"])
      #expect(try await names(.bob) == ["his"])
      #expect(try await names(.root) == ["hers", "his"])
      let foreign = try await world.call(.audit, as: .bob, query: [("owner", "alice")])
      #expect(foreign.status == 200 && foreign.bytes.isEmpty)
    }
  }
}
