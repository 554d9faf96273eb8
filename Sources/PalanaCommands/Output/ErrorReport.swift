import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// Turns whatever ended a command into words on standard error and an exit code.
struct ErrorReport {
  /// As typed; read again here because an error may come before the options were understood.
  let arguments: [String]
  let io: CommandIO

  /// The exit code of a program whose reader went away: 128 plus SIGPIPE.
  static let brokenPipe: Int32 = 141
  /// The exit code of a program that was interrupted: 128 plus SIGINT.
  static let interrupted: Int32 = 130

  /// Writes the error (or the help that was asked for) and returns the exit code.
  func finish(_ error: any Error) async -> Int32 {
    switch error {
    case let known as PalanaError: return await report(known)
    case is BrokenPipe: return Self.brokenPipe
    case is CancellationError: return Self.interrupted
    case let interrupted as Interrupted: return 128 + interrupted.signal
    case let code as ExitCode: return code.rawValue
    default: break
    }
    guard PCLI.exitCode(for: error) != .success else {
      let help = PCLI.fullMessage(for: error, columns: nil)
      do { try await io.output.write(help + "\n") } catch { return Self.brokenPipe }
      return 0
    }
    // What is left comes from the argument parser, or is an error that a lower layer failed to name.
    guard PCLI.exitCode(for: error) == .validationFailure else {
      return await report(PalanaError(.failed, TerminalText.safe("\(error)")))
    }
    if let unknown = UnknownCommand(arguments: arguments) { return await report(unknown.error) }
    return await report(
      PalanaError(.invalid, PCLI.message(for: error), hint: Self.usage(in: PCLI.fullMessage(for: error, columns: 100))))
  }

  private func report(_ error: PalanaError) async -> Int32 {
    let text: String
    if wantsJSON {
      text = Output.json(encoding: PalanaError.Envelope(error)) ?? "{\"error\":{\"code\":\"failed\"}}"
    } else {
      let colour = io.errorIsTerminal && (io.environment["NO_COLOR"] ?? "").isEmpty && !arguments.contains("--no-color")
      let label = colour ? "\u{1b}[31mError:\u{1b}[0m" : "Error:"
      text =
        "\(label) \(TerminalText.safe(error.message))" + (error.hint.isEmpty ? "" : "\n" + Self.indented(error.hint))
    }
    // Nothing better can be done about a standard error that cannot be written to.
    try? await io.error.write(text + "\n")
    return error.code.exitCode
  }

  private static func indented(_ hint: String) -> String {
    hint.split(separator: "\n", omittingEmptySubsequences: true)
      .map { "  " + TerminalText.safe(String($0)) }.joined(separator: "\n")
  }

  /// The parser's usage lines, without its error line.
  static func usage(in message: String) -> String {
    message.split(separator: "\n").drop { !$0.hasPrefix("Usage:") && !$0.hasPrefix("Help:") }
      .map { line in line.drop { $0 == " " } }.joined(separator: "\n")
  }

  private var wantsJSON: Bool {
    let own = arguments.prefix { $0 != "--" }
    var previous: String?
    for argument in own {
      if argument == "-ojson" || argument == "-o=json" || argument == "--output=json" { return true }
      if argument == "json", previous == "-o" || previous == "--output" { return true }
      previous = argument
    }
    return false
  }
}
