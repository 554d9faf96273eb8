import ArgumentParser

/// `pcli templates …`
struct TemplateGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "templates", abstract: "Starting points for agents.",
    subcommands: [TemplateListing.self, TemplateShow.self], aliases: ["template"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
}
