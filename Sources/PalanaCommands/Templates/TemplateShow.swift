import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli templates show T`
struct TemplateShow: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a template, and what it needs.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The template's name.") var name: String

  func execute(in context: CommandContext) async throws -> Int32 {
    let name = try ResourceName(name).text
    let object = try await context.withClient { client in try await client.json(.getTemplate, ["name": name]) }
    let template: AgentTemplate = try ResourceTables.decode([object])[0]
    try await context.output.result(object, lines: { Self.sections(template).lines() })
    return 0
  }

  /// The template for people.
  static func sections(_ template: AgentTemplate) -> Sections {
    var sections = Sections()
    let spec = template.spec
    sections.add("Name", template.metadata.name.text)
    sections.add("Description", spec.description)
    sections.add("Image", spec.image)
    sections.add("Command", spec.command.map(CommandText.text))
    sections.add("Folder", spec.workingDirectory)
    sections.add("Limits", LimitText.text(spec.resources))
    sections.add("Restart", spec.lifecycle?.restart?.rawValue)
    sections.add("Idle after", spec.lifecycle?.idleAfter?.description)
    sections.add("Reasoning", LimitText.text(spec.reasoning))
    sections.add("Variables", spec.env?.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
    sections.add("Ports", spec.ports?.map { "\($0.name) \($0.port)\($0.browser == true ? " (browser)" : "")" })
    sections.add("Egress", spec.egress?.rules?.map { "\(($0.action ?? .allow).rawValue) \(EgressRuleText.text($0))" })
    sections.add("Needs", spec.requires?.map { "\($0.name): \($0.hint)" })
    return sections
  }
}
