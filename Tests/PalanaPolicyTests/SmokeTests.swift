import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaPolicy

@Suite struct SmokeTests {
  @Test func decides() throws {
    let rules = try CompiledRules([
      RuleSource(name: "agent", rules: [EgressRule(id: "r1", host: "api.github.com", methods: ["GET"], paths: ["/repos/**"])])
    ])
    let owner = try UserIdentity("alice@example.com")
    let name = try ResourceName("demo")
    let subject = PolicySubject(id: AgentID(owner: owner, name: name), name: name, owner: owner, template: nil, labels: [:])
    let authority = try Authority.parse(connectTarget: "API.github.com.:443")
    #expect(authority.description == "api.github.com:443")
    let core = DecisionCore(rules: rules)
    let ok = core.decideImmediately(
      EgressRequest(subject: subject, stage: .request, scheme: .https, authority: authority, method: "GET", path: "/repos/a"))
    #expect(ok?.isAllowed == true)
    let not = core.decideImmediately(
      EgressRequest(subject: subject, stage: .request, scheme: .https, authority: authority, method: "GET", path: "/user"))
    #expect(not?.denial == .pathNotAllowed)
  }
}
