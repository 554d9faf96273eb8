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
    let body = try RequestBody.json(KillRequest(target: target, reason: reason))
    let operation = operation
    let report = try await context.withClient { client in
      try await client.call(operation, body: body, as: KillReport.self)
    }
    try await context.output.result(report) { Self.tables(report, verb: verb) }
    if report.agents.isEmpty, operation == .kill {
      try await context.output.note("No agent matches now; the order holds for those to come.")
    }
    for warning in report.warnings { try await context.output.warn(warning) }
    return report.planes.contains { $0.error != nil } ? PalanaError.Code.failed.exitCode : 0
  }

  /// The agents, and the time of each plane with the total.
  static func tables(_ report: KillReport, verb: String) -> [Table] {
    var tables: [Table] = []
    if !report.agents.isEmpty {
      tables.append(
        Table(
          ["AGENT", "OWNER", "ID", "STATE"],
          rows: report.agents.map { [.init($0.name), .init($0.owner.raw), .init($0.id.text), .init(verb)] }))
    }
    var planes = Table(["PLANE", "TIME", "ATTEMPTS", "RESULT"])
    planes.rows = report.planes.map { plane in
      [
        .init(plane.name), .init(Age.milliseconds(plane.milliseconds)), .init("\(plane.attempts)"),
        plane.error.map { .init($0, .bad) } ?? .init("done", .good),
      ]
    }
    let failed = report.planes.contains { $0.error != nil }
    planes.rows.append([
      .init("total"), .init(Age.milliseconds(report.totalMilliseconds)), .init("\(report.planes.reduce(0) { $0 + $1.attempts })"),
      failed ? .init("incomplete", .bad) : .init("done", .good),
    ])
    tables.append(planes)
    return tables
  }
}
