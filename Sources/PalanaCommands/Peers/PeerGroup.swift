import ArgumentParser

/// `pcli peer …`
struct PeerGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "peer", abstract: "Which agents may talk to each other.",
    discussion: "Agents cannot reach each other unless a rule names both and the port.",
    subcommands: [PeerAllow.self, PeerListing.self, PeerRemove.self], aliases: ["peers"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
}
