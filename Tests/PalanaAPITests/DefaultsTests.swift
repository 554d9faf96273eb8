import PalanaAPI
import PalanaCore
import Testing

@Suite struct DefaultsTests {
  @Test func anAgentThatSaysNothing() throws {
    let spec = AgentSpec()
    #expect(spec.effectiveTemplateName == "shell")
    let effective = try spec.effective(template: nil)
    #expect(effective.image == .host)
    #expect(effective.command == [])
    #expect(effective.workingDirectory == "/data")
    #expect(effective.cpu.milli == 2000)
    #expect(effective.memory.bytes == 2 << 30)
    #expect(effective.pids == 256)
    #expect(effective.storage.bytes == 5 << 30)
    #expect(effective.desired == .running)
    #expect(effective.restart == .onFailure)
    #expect(effective.idleAfter == nil)
    #expect(effective.restartCount == 0)
    #expect(effective.trust == AgentTrust(profile: "default", phase: "shadow"))
  }

  @Test func theTemplateFillsWhatTheAgentLeavesOut() throws {
    guard case .agentTemplate(let template) = try ManifestDecoder.decode(yaml(fullTemplate)) else { return }
    let effective = try AgentSpec(template: "mine", image: "", command: []).effective(template: template.spec)
    #expect(effective.template == "mine")
    #expect(effective.image == .registry("docker.io/library/python:3.12-slim"))
    #expect(effective.command == ["python3"])
    #expect(effective.env == ["A": "b"])
    #expect(effective.cpu.milli == 500)
    #expect(effective.restart == .never)
    #expect(effective.idleAfter?.description == "1h")
    #expect(effective.ports == [AgentPort(name: "ui", port: 80, browser: false)])
    #expect(effective.rules.map(\.id) == ["a", "g"])
    #expect(effective.requires.map(\.name) == ["python3"])
    // A template cannot decide that agents are stopped or restarted.
    #expect(effective.desired == .running)
    #expect(effective.restartCount == 0)
  }

  @Test func theAgentWinsOverItsTemplate() throws {
    guard case .agentTemplate(let template) = try ManifestDecoder.decode(yaml(fullTemplate)) else { return }
    let spec = AgentSpec(
      template: "mine", image: "host", command: ["bash"], workingDirectory: "/tmp", env: ["A": "own", "C": "d"],
      resources: AgentResources(pids: 64),
      lifecycle: AgentLifecycle(desired: .stopped, restart: .always, restartCount: 3),
      ports: [AgentPort(name: "ui", port: 81), AgentPort(name: "x", port: 82)],
      egress: AgentEgress(rules: [EgressRule(id: "b", host: "h")]),
      secrets: [AgentSecret(name: "S")])
    let effective = try spec.effective(template: template.spec)
    #expect(effective.image == .host)
    #expect(effective.command == ["bash"])
    #expect(effective.workingDirectory == "/tmp")
    #expect(effective.env == ["A": "own", "C": "d"])
    #expect(effective.pids == 64)
    #expect(effective.cpu.milli == 500, "each limit by itself")
    #expect(effective.desired == .stopped)
    #expect(effective.restart == .always)
    #expect(effective.restartCount == 3)
    #expect(effective.ports.map(\.port) == [81, 82])
    #expect(effective.rules.map(\.id) == ["a", "g", "b"])
    #expect(effective.secrets == ["S"])
    #expect(effective.requires == [], "its command does not name what the template needs")
  }

  @Test(
    arguments: [
      (nil, AgentReasoning(tier: .complex, maxCalls: 20, maxRepeats: 5, maxToolLoops: 5)),
      (AgentReasoning(maxRepeats: 1), AgentReasoning(tier: .complex, maxCalls: 20, maxRepeats: 1, maxToolLoops: 5)),
      (AgentReasoning(tier: .simple), AgentReasoning(tier: .simple, maxRepeats: 5, maxToolLoops: 5)),
      (AgentReasoning(tier: .simple, maxCalls: 3), AgentReasoning(tier: .simple, maxCalls: 3, maxRepeats: 5, maxToolLoops: 5)),
    ] as [(AgentReasoning?, AgentReasoning)])
  func limitsOfReasoning(_ own: AgentReasoning?, _ expected: AgentReasoning) throws {
    guard case .agentTemplate(let template) = try ManifestDecoder.decode(yaml(fullTemplate)) else { return }
    #expect(try AgentSpec(template: "mine", reasoning: own).effective(template: template.spec).reasoning == expected)
    #expect(try AgentSpec(image: "host", reasoning: own).effective(template: nil).reasoning == own)
  }

  @Test(arguments: [
    (AgentSpec(template: "python"), "python"), (AgentSpec(image: "x"), nil), (AgentSpec(command: ["x"]), nil),
    (AgentSpec(template: "", image: "", command: []), "shell"), (AgentSpec(template: "t", image: "x"), "t"),
  ])
  func whichTemplate(_ spec: AgentSpec, _ name: String?) {
    #expect(spec.effectiveTemplateName == name)
  }

  @Test func aBadImageIsAnError() {
    #expect(throws: PalanaError.self) { try AgentSpec(image: "Bad").effective(template: nil) }
  }
}

@Suite struct BuiltinTemplateTests {
  @Test func theyAreAllThereAndSound() throws {
    #expect(BuiltinTemplates.all.map(\.metadata.name.text) == ["claudecodeui", "opencode", "python", "shell", "ttyd"])
    for template in BuiltinTemplates.all {
      #expect(template.validate() == [], "\(template.metadata.name)")
      #expect(template.spec.image == "host")
      #expect(template.spec.description?.isEmpty == false)
      #expect(template.spec.command?.isEmpty == false)
    }
    #expect(BuiltinTemplates.named(BuiltinTemplates.defaultName) != nil)
    #expect(BuiltinTemplates.named("nothing") == nil)
  }

  @Test(arguments: [("claudecodeui", 3001), ("opencode", 4096), ("ttyd", 7681)])
  func whatPeopleOpenInABrowser(_ name: String, _ port: Int) throws {
    let template = try #require(BuiltinTemplates.named(name))
    #expect(template.spec.ports?.map(\.port) == [port])
    #expect(template.spec.ports?.first?.browser == true)
    #expect(template.spec.requires?.isEmpty == false)
    #expect(try #require(template.spec.requires?.first).hint.contains("--image"))
  }
}
