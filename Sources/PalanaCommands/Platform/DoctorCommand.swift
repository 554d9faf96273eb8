import ArgumentParser
import PalanaControlAPI
import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `pcli doctor`
struct DoctorCommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check the installation and say what to do.",
    discussion: """
      Works without a running platform too, with fewer checks. Exits 1 when a check fails. With --attack, a live agent's way out is \
      attacked from inside its own network instead, with requests that must be refused and change nothing; exits 1 when one is not.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Option(
    help: ArgumentHelp("Attack the way out of this agent, and show what held.", valueName: "agent"),
    completion: AgentNames.completion)
  var attack: String?

  func execute(in context: CommandContext) async throws -> Int32 {
    if let attack { return try await Self.attack(try ResourceName(attack).text, context) }
    var report = DoctorReport(checks: context.global.server == nil ? Self.local(context) : [])
    do {
      let remote = try await context.withClient { client in try await client.call(.doctor, as: DoctorReport.self) }
      report.checks += [.init(name: "platform", state: .ok, message: "it answers")] + remote.checks
    } catch let error as PalanaError where error.code == .unreachable || error.code == .denied {
      report.checks.append(.init(name: "platform", state: .fail, message: error.message, hint: error.hint))
    }
    let checks = report.checks
    let colour = context.output.colourOutput
    let quiet = context.output.quiet
    try await context.output.result(
      try JSONText.value(of: report),
      lines: { Self.lines(quiet ? checks.filter { $0.state != .ok } : checks, colour: colour) })
    return checks.contains { $0.state == .fail } ? PalanaError.Code.failed.exitCode : 0
  }

  private static func attack(_ agent: String, _ context: CommandContext) async throws -> Int32 {
    let posture = try await AgentAttack.run(agent, context)
    let (colour, quiet) = (context.output.colourOutput, context.output.quiet)
    try await context.output.result(
      try JSONText.value(of: posture), lines: { posture.lines(colour: colour, all: !quiet) })
    return posture.broken.isEmpty ? 0 : PalanaError.Code.failed.exitCode
  }

  /// What can be seen from here.
  private static func local(_ context: CommandContext) -> [DoctorReport.Check] {
    let isRoot = geteuid() == 0
    let user = DoctorReport.Check(
      name: "user", state: isRoot ? .ok : .warn, message: isRoot ? "root" : "not root",
      hint: isRoot ? "" : "the platform is started and stopped as root")
    let daemon: DoctorReport.Check
    do {
      daemon = .init(name: "daemon", state: .ok, message: try DaemonLocation.find(context.io.environment))
    } catch {
      daemon = .init(name: "daemon", state: .warn, message: error.message, hint: error.hint)
    }
    return [user, daemon]
  }

  /// One line per check, with its hint below.
  static func lines(_ checks: [DoctorReport.Check], colour: Bool) -> [String] {
    let width = (checks.map(\.name.count).max() ?? 0) + 2
    return checks.flatMap { check in
      let (word, tone): (String, Table.Tone) =
        switch check.state {
        case .ok: ("ok", .good)
        case .warn: ("warn", .warning)
        case .fail: ("FAIL", .bad)
        }
      let code = colour ? Table.code(tone) : nil
      let state =
        code.map { $0 + word + "\u{1b}[0m" + String(repeating: " ", count: 6 - word.count) } ?? word.padding(to: 6)
      let line = state + TerminalText.safe(check.name).padding(to: width) + TerminalText.safe(check.message)
      return check.hint.isEmpty ? [line] : [line, "      " + "".padding(to: width) + TerminalText.safe(check.hint)]
    }
  }
}
