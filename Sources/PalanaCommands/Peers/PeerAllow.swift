import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli peer allow FROM TO --port P`
struct PeerAllow: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "allow", abstract: "Let one agent open connections to a port of another.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent that connects.", completion: AgentNames.completion) var from: String
  @Argument(help: "The agent that listens.", completion: AgentNames.completion) var to: String
  @Option(
    name: .customLong("port"), parsing: .singleValue,
    help: ArgumentHelp("A TCP port of the agent that listens. Repeatable.", valueName: "port"))
  var ports: [Int]

  func validate() throws {
    for port in ports where !(1...65_535).contains(port) { throw ValidationError("a port is 1 to 65535, not \(port)") }
    if from == to { throw ValidationError("an agent needs no rule to reach itself") }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    let name = try PeerName.text(from: from, to: to)
    let (from, to, wanted) = (from, to, ports)
    let rule = try await context.withClient { client in
      do {
        var rule: PeeringRule = try await client.call(.getPeeringRule, ["name": name])
        guard rule.spec.from == from, rule.spec.to == to else {
          throw PalanaError(
            .conflict, "peeringrule/\(name) is about other agents", hint: "remove it, or use pcli apply")
        }
        rule.spec.ports = Set(rule.spec.ports + wanted).sorted()
        rule.status = nil
        return try await client.call(
          .updatePeeringRule, ["name": name], body: try .json(encoding: rule), as: PeeringRule.self)
      } catch let error as PalanaError where error.code == .notFound {
        let rule = PeeringRule(
          metadata: ObjectMeta(name: try ResourceName(name)),
          spec: PeeringRuleSpec(from: from, to: to, ports: Set(wanted).sorted()))
        return try await client.call(.createPeeringRule, body: try .json(encoding: rule), as: PeeringRule.self)
      }
    }
    let list = rule.spec.ports.map(String.init).joined(separator: ", ")
    try await context.output.done("agent/\(from) may reach agent/\(to) on port \(list) (rule \(name))", rule)
    return 0
  }
}
