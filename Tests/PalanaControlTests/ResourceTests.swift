import PalanaAPI
import PalanaAudit
import PalanaControlAPI
import PalanaCore
import Synchronization
import Testing

@Suite struct ResourceTests {
  @Test func applyCreatesConfiguresAndLeavesAlone() async throws {
    try await ControlWorld.run { world in
      let rules = #"{"egress":{"rules":[{"host":"api.github.com"},{"host":"*.example.com","action":"deny"}]}}"#
      let manifest = ControlWorld.agent("demo", spec: rules)
      let first = try await world.call(.apply, as: .alice, body: manifest).decoded(ApplyResult<AgentSpec>.self)
      #expect(first.action == .created)
      let ids = try #require(first.resource.spec.egress?.rules).compactMap(\.id)
      #expect(ids.count == 2 && Set(ids).count == 2)
      let second = try await world.call(.apply, as: .alice, body: manifest).decoded(ApplyResult<AgentSpec>.self)
      #expect(second.action == .unchanged)
      #expect(second.resource == first.resource)
      let labelled = manifest.replacing(#""name":"demo""#, with: #""name":"demo","labels":{"team":"x"}"#)
      let third = try await world.call(.apply, as: .alice, body: labelled).decoded(ApplyResult<AgentSpec>.self)
      #expect(third.action == .configured && third.resource.spec.egress?.rules?.compactMap(\.id) == ids)
      #expect(third.resource.metadata.generation == first.resource.metadata.generation)
    }
  }

  @Test func commandsAreNotUndoneByAManifestThatDoesNotMentionThem() async throws {
    try await ControlWorld.run { world in
      let manifest = ControlWorld.agent("demo", spec: #"{"image":"host","command":["sleep","9"]}"#)
      try await world.call(.apply, as: .alice, body: manifest)
      try await world.call(.stopAgent, as: .alice, ["name": "demo"])
      let again = try await world.call(.apply, as: .alice, body: manifest).decoded(ApplyResult<AgentSpec>.self)
      #expect(again.action == .unchanged && again.resource.spec.lifecycle?.desired == .stopped)
    }
  }

  @Test func anOldVersionIsAConflict() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let old = try await world.call(.getAgent, as: .alice, ["name": "demo"]).text
      let parameters = ["name": "demo"]
      let change = ControlWorld.agent("demo", spec: #"{"env":{"A":"b"}}"#)
      #expect(try await world.call(.updateAgent, as: .alice, parameters, body: change).status == 200)
      let stale = try await world.call(.updateAgent, as: .alice, parameters, body: old)
      #expect(stale.status == 409 && stale.code == "conflict")
      let present = try await world.call(.getAgent, as: .alice, parameters).text
      #expect(try await world.call(.updateAgent, as: .alice, parameters, body: present).status == 200)
      #expect(try await world.call(.createAgent, as: .alice, body: ControlWorld.agent("demo")).status == 409)
    }
  }

  @Test func fieldsOfTheServerAreTheServers() async throws {
    try await ControlWorld.run { world in
      let body = #"""
        {"apiVersion":"palana.dev/v1alpha1","kind":"Agent","metadata":{"name":"demo","uid":"mine","generation":7,
        "creationTimestamp":"2001-01-01T00:00:00Z"},"spec":{"lifecycle":{"desired":"Stopped"}},
        "status":{"phase":"Running"}}
        """#
      let agent = try await world.call(.createAgent, as: .alice, body: body).decoded(Agent.self)
      #expect(agent.metadata.uid != "mine" && agent.metadata.generation == 1 && agent.status == nil)
    }
  }

  @Test(arguments: [
    (#"{"egress":{"rules":[{"host":"*"}]}}"#, "egress.rules[0]"),
    (#"{"egress":{"rules":[{"host":"a.example"},{"host":"*.com"}]}}"#, "egress.rules[1]"),
    (#"{"egress":{"rules":[{"host":"a.example","ports":[0]}]}}"#, "egress.rules[0]"),
    (#"{"egress":{"rules":[{"host":"a.example","methods":["G T"]}]}}"#, "egress.rules[0]"),
    (#"{"template":"nothing"}"#, "spec.template"), (#"{"imagge":"host"}"#, "imagge"),
    (#"{"resources":{"memory":"lots"}}"#, "memory"), (#"{"lifecycle":{"desired":"Maybe"}}"#, "desired"),
  ])
  func problemsNameTheField(spec: String, field: String) async throws {
    try await ControlWorld.run { world in
      for operation in [PalanaControlAPI.Operation.createAgent, .apply] {
        let answer = try await world.call(operation, as: .alice, body: ControlWorld.agent("demo", spec: spec))
        #expect(answer.status == 400 && answer.code == "invalid", "\(answer.text)")
        #expect(answer.text.contains(field), "\(answer.text)")
      }
      let list = try await world.call(.listAgents, as: .alice).decoded(ResourceList<AgentSpec>.self)
      #expect(list.items.isEmpty)
      #expect(!world.events.contains { $0.decision == .allow })
    }
  }

  @Test(arguments: [
    "", "{", "[]", "null", #"{"kind":"Agent"}"#,
    #"{"apiVersion":"v9","kind":"Agent","metadata":{"name":"a"},"spec":{}}"#,
    #"{"apiVersion":"palana.dev/v1alpha1","kind":"Pod","metadata":{"name":"a"},"spec":{}}"#,
    #"{"apiVersion":"palana.dev/v1alpha1","kind":"Agent","metadata":{"name":"A B"},"spec":{}}"#,
    #"{"apiVersion":"palana.dev/v1alpha1","kind":"Agent","metadata":{"name":"a"},"spec":{},"spec":{}}"#,
  ])
  func malformedManifestsAreInvalid(body: String) async throws {
    try await ControlWorld.run { world in
      let answer = try await world.call(.apply, as: .alice, body: body)
      #expect(answer.status == 400 && answer.code == "invalid", "\(answer.text)")
    }
  }

  @Test func builtInTemplatesAreShownAndCannotBeChanged() async throws {
    try await ControlWorld.run { world in
      let items = try await world.call(.listTemplates).decoded(ResourceList<AgentTemplateSpec>.self).items
      guard let first = items.first?.metadata.name.text else { return }
      #expect(try await world.call(.getTemplate, ["name": first]).status == 200)
      #expect(try await world.call(.deleteTemplate, ["name": first]).status == 409)
      let mine =
        #"{"apiVersion":"palana.dev/v1alpha1","kind":"AgentTemplate","metadata":{"name":"\#(first)"},"spec":{"description":"mine"}}"#
      #expect(try await world.call(.apply, body: mine).status == 200)
      let seen = try await world.call(.getTemplate, ["name": first]).decoded(AgentTemplate.self)
      #expect(seen.spec.description == "mine")
      #expect(try await world.call(.deleteTemplate, ["name": first]).status == 200)
      #expect(try await world.call(.listTemplates).decoded(ResourceList<AgentTemplateSpec>.self).items == items)
    }
  }

  @Test func templatesInUseStay() async throws {
    try await ControlWorld.run { world in
      let template =
        #"{"apiVersion":"palana.dev/v1alpha1","kind":"AgentTemplate","metadata":{"name":"t"},"spec":{"image":"host","command":["sh"]}}"#
      try await world.call(.createTemplate, body: template)
      try await world.call(.createAgent, as: .alice, body: ControlWorld.agent("demo", spec: #"{"template":"t"}"#))
      let answer = try await world.call(.deleteTemplate, ["name": "t"])
      #expect(answer.status == 409 && answer.text.contains("demo"))
    }
  }

  @Test func withoutTheAuditTrailNothingChanges() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      world.sink.isDown.withLock { $0 = true }
      let calls: [(PalanaControlAPI.Operation, String?)] = [
        (.createAgent, ControlWorld.agent("more")), (.apply, ControlWorld.agent("more")), (.deleteAgent, nil),
        (.runAgent, "{}"), (.resumeAgent, nil), (.restartAgent, nil),
        (.addEgressRule, #"{"host":"a.example"}"#), (.addSecret, #"{"name":"X","values":{"token":"v"}}"#),
        (.updateAgent, ControlWorld.agent("demo", spec: #"{"env":{"A":"b"}}"#)),
      ]
      let before = try await world.call(.listAgents, as: .alice).text
      for (operation, body) in calls {
        let answer = try await world.call(operation, as: .alice, ["name": "demo"], body: body)
        #expect(answer.status == 503 && answer.code == "unreachable", "\(operation): \(answer.text)")
      }
      #expect(try await world.call(.listAgents, as: .alice).text == before)
      #expect(world.secrets.values.withLock { $0.isEmpty })
    }
  }
}
