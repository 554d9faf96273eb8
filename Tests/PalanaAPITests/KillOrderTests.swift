import PalanaAPI
import PalanaCore
import Testing

@Suite struct KillOrderTests {
  private static func agent(owner: String?, template: String? = nil) throws -> Agent {
    Agent(
      metadata: ObjectMeta(name: try ResourceName("demo")),
      spec: AgentSpec(owner: try owner.map { try UserIdentity($0) }, template: template))
  }

  @Test func aTargetCoversWhatItNames() throws {
    let agent = try Self.agent(owner: "alice", template: "python")
    let id = AgentID(owner: try UserIdentity("alice"), name: try ResourceName("demo"))
    let other = AgentID(owner: try UserIdentity("bob"), name: try ResourceName("demo"))
    let rows: [(KillOrderSpec.Target, Bool)] = [
      (.agent(id), true), (.agent(other), false), (.owner(try UserIdentity("alice")), true),
      (.owner(try UserIdentity("Alice")), false), (.template("python"), true), (.template("shell"), false),
      (.all, true),
    ]
    for (target, covered) in rows { #expect(target.covers(agent) == covered, "\(target)") }
  }

  @Test func anAgentWithoutAnOwnerIsCoveredByEverything() throws {
    let agent = try Self.agent(owner: nil)
    let targets: [KillOrderSpec.Target] = [
      .owner(try UserIdentity("bob")), .template("none"), .all,
      .agent(AgentID(owner: try UserIdentity("bob"), name: try ResourceName("other"))),
    ]
    for target in targets { #expect(target.covers(agent), "\(target)") }
  }
}
