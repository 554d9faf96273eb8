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
  @Flag(help: "No request to any host may carry it; for the gateway of language models.") var noHost = false
  @OptionGroup var binding: SecretBindingOptions
  @Option(
    help: ArgumentHelp(
      "What the agent sees instead of the value; shape:NAME makes one in the shape that programs check for.",
      valueName: "text"))
  var placeholder: String?
  @Option(
    help: ArgumentHelp(
      "The gateway gets a short token with the values and puts that in: github-app or oauth-client.", valueName: "type"))
  var type: SecretMinting?

  func validate() throws {
    if proxyOnly, agentReadable { throw ValidationError("--proxy-only and --agent-readable exclude each other") }
    if noHost, agentReadable || !binding.isEmpty {
      throw ValidationError("--no-host excludes --agent-readable, --host and what goes with it")
    }
    if agentReadable, !binding.isEmpty || placeholder != nil || type != nil {
      throw ValidationError("--host, --in, --require, --aws-…, --token-host, --type and --placeholder are for proxy-only secrets")
    }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let sources = try SecretValues(values)
    let payload = try SecretPayload.add(
      name: name, access: agentReadable ? .agentReadable : .proxyOnly, values: try await sources.read(context.io),
      hosts: noHost ? [] : binding.hosts.isEmpty ? nil : binding.hosts, places: binding.places.isEmpty ? nil : binding.places,
      placeholder: placeholder, require: binding.require, aws: binding.aws,
      tokenHosts: binding.tokenHosts.isEmpty ? nil : binding.tokenHosts, type: type)
    let summary = try await context.withClient { client in
      try await client.call(.addSecret, ["name": agent], body: .secret(payload), as: SecretSummary.self)
    }
    try await SecretReport(agent: agent, summary: summary, isMeantInert: noHost).write("added", context.output)
    try await SecretReport.remarkOnHistory(sources, context.output)
    return 0
  }
}

extension SecretMinting: ExpressibleByArgument {}

/// Where a proxy-only secret may go and stand.
struct SecretBindingOptions: ParsableArguments {
  @Option(
    name: .customLong("host"), parsing: .singleValue,
    help: ArgumentHelp("A host that may receive it. Repeatable.", valueName: "host[:port]"))
  var hosts: [String] = []
  @Option(
    name: .customLong("in"), parsing: .singleValue,
    help: ArgumentHelp(
      "Where in a request it may stand: header:NAME, basic, query:NAME, path, body, websocket or aws-sigv4. Repeatable.",
      valueName: "place"))
  var places: [String] = []
  @Flag(inversion: .prefixedNo, help: "Refuse requests to the hosts that carry another credential in one of the places.")
  var require: Bool?
  @Option(help: ArgumentHelp("With aws-sigv4: the only region that requests are signed for.", valueName: "region"))
  var awsRegion: String?
  @Option(help: ArgumentHelp("With aws-sigv4: the only service that requests are signed for.", valueName: "service"))
  var awsService: String?

  @Option(
    name: .customLong("token-host"), parsing: .singleValue,
    help: ArgumentHelp(
      "A host that tokens may go to which an endpoint gives in answer to it: the agent sees placeholders of them. Repeatable.",
      valueName: "host[:port]"))
  var tokenHosts: [String] = []

  var isEmpty: Bool { hosts.isEmpty && places.isEmpty && require == nil && aws == nil && tokenHosts.isEmpty }

  var aws: AWSScope? {
    guard let awsRegion, let awsService else { return nil }
    return AWSScope(region: awsRegion, service: awsService)
  }

  func validate() throws {
    for place in places {
      let isKnown =
        ["basic", "path", "body", "websocket", "aws-sigv4"].contains(place)
        || ["header:", "query:"].contains { place.hasPrefix($0) && place.count > $0.count }
      guard isKnown else {
        throw ValidationError(
          "‘--in \(place)’ is not a place: header:NAME, basic, query:NAME, path, body, websocket or aws-sigv4")
      }
    }
    guard (awsRegion == nil) == (awsService == nil) else {
      throw ValidationError("--aws-region and --aws-service belong together")
    }
    if places.contains("aws-sigv4"), aws == nil {
      throw ValidationError("--in aws-sigv4 needs --aws-region and --aws-service")
    }
  }
}
