import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli kill AGENT | --owner USER | --template T | --all  --reason TEXT`
struct KillCommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "kill", abstract: "Cut agents off at once, from outside, until ‘unkill’.",
    discussion: """
      Closes their connections, empties their network, withdraws their credentials, stops their compute, and says how long each \
      took. It survives restarts of everything.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @OptionGroup var target: KillTargetOptions
  @Option(help: ArgumentHelp("Why; it stands in the audit trail.", valueName: "text")) var reason: String

  func validate() throws {
    if reason.allSatisfy(\.isWhitespace) { throw ValidationError("--reason is empty") }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    try await KillCall(operation: .kill, verb: "killed").execute(try target.target(), reason: reason, context)
  }
}

/// What `kill` and `unkill` have in common.
struct KillCall {
  let operation: PalanaControlAPI.Operation
  /// For example `killed`.
  let verb: String

  /// Calls, writes the report, and says by its exit code whether every plane did its part.
  func execute(_ target: KillTarget, reason: String, _ context: CommandContext) async throws -> Int32 {
    let body = try RequestBody.json(encoding: KillRequest(target: target, reason: reason))
    let operation = operation
    let report = try await context.withClient { client in
      try await client.call(operation, body: body, as: KillReport.self)
    }
    try await context.output.result(report) { [Self.table(report)] }
    if report.agents.isEmpty, report.warnings.isEmpty { try await context.output.note("No agent is concerned.") }
    if !report.agents.isEmpty { try await context.output.note(Self.sentence(report, verb: verb)) }
    for warning in report.warnings { try await context.output.warn(warning) }
    return report.planes.contains { $0.error != nil } ? PalanaError.Code.failed.exitCode : 0
  }

  /// The agents concerned, the first 20 by name.
  static func sentence(_ report: KillReport, verb: String) -> String {
    let names = report.agents.prefix(20).map { "\($0.name) (\($0.owner))" }.joined(separator: ", ")
    let more = report.agents.count > 20 ? " and \(report.agents.count - 20) more" : ""
    return "\(report.agents.count) \(report.agents.count == 1 ? "agent" : "agents") \(verb): \(names)\(more)"
  }

  /// The milliseconds of each plane with the total; what failed is named.
  static func table(_ report: KillReport) -> Table {
    let failed = report.planes.contains { $0.error != nil }
    var table = Table(["PLANE", "MS"] + (failed ? ["ATTEMPTS", "RESULT"] : []))
    table.rows = report.planes.map { plane in
      [.init(plane.name), .init(Age.decimal(plane.milliseconds))]
        + (failed ? [.init("\(plane.attempts)"), plane.error.map { .init($0, .bad) } ?? .init("done", .good)] : [])
    }
    table.rows.append(
      [.init("total"), .init(Age.decimal(report.totalMilliseconds))]
        + (failed ? [.init(""), .init("incomplete", .bad)] : []))
    return table
  }
}
