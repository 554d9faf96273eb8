import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli secrets add AGENT NAME KEY=VALUE…`
struct SecretAdd: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Store a secret for an agent.",
    discussion: """
      A value comes from the command line (KEY=VALUE), a file (KEY=@FILE), standard input (KEY=-), or a prompt (KEY). Values are never \
      shown again. Names such as GITHUB_…, OPENAI_…, ANTHROPIC_… and SLACK_… are bound to their usual hosts unless --host says otherwise.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var agent: String
  @Argument(help: "The secret's name, for example GITHUB_PAT.") var name: String
  @Argument(help: ArgumentHelp("KEY=VALUE, KEY=@FILE, KEY=- or KEY.", valueName: "key=value")) var values: [String]
  @Flag(help: "Only the gateway may use it (the default).") var proxyOnly = false
  @Flag(help: "The agent may read it, as a file under /run/secrets.") var agentReadable = false
  @OptionGroup var binding: SecretBindingOptions
  @Option(help: ArgumentHelp("What the agent sees instead of the value.", valueName: "text")) var placeholder: String?

  func validate() throws {
    if proxyOnly, agentReadable { throw ValidationError("--proxy-only and --agent-readable exclude each other") }
    if agentReadable, !binding.hosts.isEmpty || !binding.places.isEmpty || placeholder != nil {
      throw ValidationError("--host, --in and --placeholder are for proxy-only secrets")
    }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let sources = try SecretValues(values)
    let payload = try SecretPayload.add(
      name: name, access: agentReadable ? .agentReadable : .proxyOnly, values: try await sources.read(context.io),
      hosts: binding.hosts.isEmpty ? nil : binding.hosts, places: binding.places.isEmpty ? nil : binding.places,
      placeholder: placeholder)
    let summary = try await context.withClient { client in
      try await client.call(.addSecret, ["name": agent], body: .secret(payload), as: SecretSummary.self)
    }
    try await SecretReport(agent: agent, summary: summary).write("added", context.output)
    try await SecretReport.remarkOnHistory(sources, context.output)
    return 0
  }
}

/// Where a proxy-only secret may go and stand.
struct SecretBindingOptions: ParsableArguments {
  @Option(
    name: .customLong("host"), parsing: .singleValue,
    help: ArgumentHelp("A host that may receive it. Repeatable.", valueName: "host[:port]"))
  var hosts: [String] = []
  @Option(
    name: .customLong("in"), parsing: .singleValue,
    help: ArgumentHelp(
      "Where in a request it may stand: header:NAME, basic, query:NAME, path or body. Repeatable.", valueName: "place"))
  var places: [String] = []

  func validate() throws {
    for place in places {
      let isKnown =
        ["basic", "path", "body"].contains(place)
        || ["header:", "query:"].contains { place.hasPrefix($0) && place.count > $0.count }
      guard isKnown else {
        throw ValidationError("‘--in \(place)’ is not a place: header:NAME, basic, query:NAME, path or body")
      }
    }
  }
}
