import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// Whom `kill` and `unkill` concern: exactly one of an agent, an owner, a template, everything.
struct KillTargetOptions: ParsableArguments {
  @Argument(help: "An agent's name.", completion: AgentNames.completion) var agent: String?
  @Option(help: ArgumentHelp("Every agent of this owner.", valueName: "identity")) var owner: String?
  @Option(help: ArgumentHelp("Every agent of this template.", valueName: "name")) var template: String?
  @Flag(help: "Every agent.") var all = false

  func validate() throws {
    let given = [agent != nil, owner != nil, template != nil, all].filter { $0 }.count
    // Two targets could be read as the narrower or the wider one.
    guard given == 1 else { throw ValidationError("give exactly one of AGENT, --owner, --template, --all") }
  }

  /// The target.
  /// - Throws: ``PalanaError`` with code `invalid`.
  func target() throws -> KillTarget {
    if let agent { return .agent(try ResourceName(agent).text) }
    if let owner { return .owner(try UserIdentity(owner)) }
    if let template { return .template(try ResourceName(template).text) }
    return .all
  }
}
