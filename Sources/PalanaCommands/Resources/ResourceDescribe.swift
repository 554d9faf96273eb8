import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore
import PalanaManifests

/// `pcli describe NAME`
struct ResourceDescribe: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Show everything about an agent or another resource.",
    discussion: "One word names an agent: ‘pcli describe demo’. Other kinds: ‘pcli describe template python’.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(
    help: ArgumentHelp("An agent's name, or KIND NAME.", valueName: "name"), completion: AgentNames.completion)
  var names: [String]

  func execute(in context: CommandContext) async throws -> Int32 {
    let reference = try ResourceReference(names)
    let now = context.io.clock.now()
    try await context.withClient { client in
      let object = try await client.json(reference.kind.get, ["name": reference.name])
      guard context.output.format == .table, reference.kind == .agent else {
        let text = try YAMLText.document(object)
        return try await context.output.result(
          object, lines: { text.split(separator: "\n").map { TerminalText.safe(String($0)) } })
      }
      let agent: Agent = try ResourceTables.decode([object])[0]
      var sections = AgentDescription.sections(agent, now: now)
      let description = AgentDescription(client: client, name: reference.name)
      sections.add("Egress", try await description.rules())
      sections.add("Secrets", try await description.secrets())
      sections.add("Events", try await description.events(now: now))
      let lines = sections.lines()
      try await context.output.result(object, lines: { lines })
    }
    return 0
  }
}
