import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli status`
struct StatusCommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show the parts of the platform and how many agents there are.",
    discussion: "Exits 1 when a part is not healthy, 6 when the platform does not answer.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    let status = try await context.withClient { client in try await client.call(.status, as: InstallationStatus.self) }
    let now = context.io.clock.now()
    let colour = context.output.colourOutput
    try await context.output.result(
      try JSONText.value(of: status),
      lines: { context.output.quiet ? [] : Self.lines(status, now: now, colour: colour) })
    return status.components.allSatisfy(\.healthy) ? 0 : PalanaError.Code.failed.exitCode
  }

  /// For people.
  static func lines(_ status: InstallationStatus, now: Timestamp, colour: Bool) -> [String] {
    var sections = Sections()
    sections.add("Version", status.version)
    sections.add("Up since", "\(status.startedAt) (\(Age.text(since: status.startedAt, now: now)))")
    sections.add("Home", status.home)
    sections.add("Gateway", status.gateway)
    let agents = status.agents.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
    sections.add("Agents", agents.isEmpty ? "none" : agents.joined(separator: ", "))
    let table = Table(
      ["PART", "STATE", "MESSAGE"],
      rows: status.components.map {
        [.init($0.name), $0.healthy ? .init("ok", .good) : .init("failing", .bad), .init($0.message)]
      })
    return sections.lines() + (status.components.isEmpty ? [] : [""] + table.lines(colour: colour))
  }
}
