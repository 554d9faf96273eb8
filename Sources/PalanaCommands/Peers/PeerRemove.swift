import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli peer rm NAME`, `pcli peer rm FROM TO [--port P]`
struct PeerRemove: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm", abstract: "Remove a rule between agents, or ports of it.", aliases: ["remove", "delete"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: ArgumentHelp("The rule's name, or FROM TO.", valueName: "name")) var names: [String]
  @Option(
    name: .customLong("port"), parsing: .singleValue,
    help: ArgumentHelp("Only this port. Repeatable.", valueName: "port"))
  var ports: [Int] = []

  func validate() throws {
    guard (1...2).contains(names.count) else { throw ValidationError("give the rule's name, or FROM and TO") }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    let name = names.count == 2 ? try PeerName.text(from: names[0], to: names[1]) : try ResourceName(names[0]).text
    let gone = Set(ports)
    let left = try await context.withClient { client -> PeeringRule? in
      if !gone.isEmpty {
        var rule: PeeringRule = try await client.call(.getPeeringRule, ["name": name])
        rule.spec.ports.removeAll { gone.contains($0) }
        rule.status = nil
        if !rule.spec.ports.isEmpty {
          return try await client.call(
            .updatePeeringRule, ["name": name], body: try .json(encoding: rule), as: PeeringRule.self)
        }
      }
      _ = try await client.bytes(.deletePeeringRule, ["name": name])
      return nil
    }
    if let left {
      let list = left.spec.ports.map(String.init).joined(separator: ", ")
      try await context.output.done("peeringrule/\(name) is left with port \(list)", left)
    } else {
      try await context.output.done(
        "peeringrule/\(name) removed", DeleteResult(kind: PeeringRuleSpec.kind, name: name, done: true))
    }
    return 0
  }
}
