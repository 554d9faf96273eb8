import ArgumentParser
import NIOCore
import NIOPosix
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli open NAME`
struct AgentOpen: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "open", abstract: "Show the address of an agent's browser port.",
    discussion: """
      The address is reachable from the machine that the agent runs on. Access through a login from elsewhere is not part of this \
      version; until then an SSH tunnel does it: ssh -L 8080:ADDRESS:PORT MACHINE.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var name: String

  func execute(in context: CommandContext) async throws -> Int32 {
    let name = try ResourceName(name).text
    let (agent, ports) = try await context.withClient { client in
      let agent: Agent = try await client.call(.getAgent, ["name": name])
      if let ports = agent.spec.ports { return (agent, ports) }
      guard let template = agent.spec.template else { return (agent, []) }
      let known: AgentTemplate = try await client.call(.getTemplate, ["name": template])
      return (agent, known.spec.ports ?? [])
    }
    let url = try Self.url(agent, ports)
    let isOpen = context.global.server == nil ? await Self.answers(url) : nil
    try await context.output.result(
      ["url": .string(url.text), "answers": isOpen.map { .bool($0) } ?? .null] as JSONValue, lines: { [url.text] })
    switch isOpen {
    case false:
      try await context.output.note("Nothing answers there yet; see pcli logs \(name).")
    case nil: try await context.output.note("It is reachable from the machine that the agent runs on.")
    default: try await context.output.note("It is reachable from this machine only.")
    }
    return 0
  }

  /// Where the port is.
  struct Place: Hashable, Sendable {
    let address: IPAddress
    let port: Int
    /// `http://ADDRESS:PORT/`.
    var text: String {
      if case .v6 = address { return "http://[\(address)]:\(port)/" }
      return "http://\(address):\(port)/"
    }
  }

  /// The place of the first browser port.
  /// - Throws: ``PalanaError`` with code `failed` when there is none, or the agent has no address.
  static func url(_ agent: Agent, _ ports: [AgentPort]) throws -> Place {
    let name = agent.metadata.name
    guard let port = ports.first(where: { $0.browser == true }) else {
      throw PalanaError(
        .failed, "agent/\(name) has no browser port",
        hint: "add one to its manifest: ports: [{name: ui, port: 8080, browser: true}]")
    }
    guard let address = agent.status?.address, agent.status?.phase == .running else {
      throw PalanaError(.failed, "agent/\(name) does not run", hint: "start it: pcli run \(name)")
    }
    return Place(address: address, port: port.port)
  }

  private static func answers(_ place: Place) async -> Bool {
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(.seconds(1))
    guard let channel = try? await bootstrap.connect(host: place.address.description, port: place.port).get() else {
      return false
    }
    try? await channel.close()
    return true
  }
}
