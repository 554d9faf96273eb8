import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// Says what a secret is and what the agent sees of it. Never a value.
struct SecretReport {
  let agent: String
  let summary: SecretSummary
  /// Whether it was asked for that no request may carry it.
  var isMeantInert = false

  /// Writes the sentence that something was done, and what to know now.
  /// - Parameter verb: for example `added`.
  func write(_ verb: String, _ output: Output) async throws {
    let value = try JSONText.value(of: summary)
    guard output.format == .table else { return try await output.result(value, table: { [] }) }
    guard !output.quiet else { return }
    for line in Self.lines(summary, agent: agent, verb: verb) { try await output.raw(TerminalText.safe(line) + "\n") }
    if isInert, !isMeantInert {
      try await output.note("It is not bound to a host, so no request can carry it yet. Bind it with:")
      try await output.note("  pcli secrets bind \(agent) \(summary.name) --host HOST")
    }
  }

  private var isInert: Bool { summary.access == .proxyOnly && summary.hosts.isEmpty }

  /// `proxy-only`, or `proxy-only, github-app`.
  static func access(_ summary: SecretSummary) -> String {
    summary.access.rawValue + (summary.type.map { ", \($0.rawValue)" } ?? "")
  }

  /// The lines for people.
  static func lines(_ summary: SecretSummary, agent: String, verb: String) -> [String] {
    var lines = ["secret/\(summary.name) of agent/\(agent) \(verb) (\(Self.access(summary)))"]
    for key in summary.keys {
      switch summary.access {
      case .agentReadable:
        let path = summary.keys.count == 1 ? summary.name : "\(summary.name)/\(key.key)"
        lines.append("  \(key.key): the agent reads it in /run/secrets/\(path)")
      case .proxyOnly:
        let variable = key.variable.map { " in $\($0)" } ?? ""
        lines.append("  \(key.key): the agent sees \(key.placeholder ?? "a placeholder")\(variable)")
      }
    }
    if summary.access == .proxyOnly, !summary.hosts.isEmpty {
      let places = summary.places.isEmpty ? "" : " in " + Self.places(summary, separator: ", ")
      lines.append("  goes to \(summary.hosts.joined(separator: ", "))\(places)")
    }
    if let hosts = summary.tokenHosts, !hosts.isEmpty {
      lines.append("  tokens in answers to it become placeholders for \(hosts.joined(separator: ", "))")
    }
    if summary.require == true { lines.append("  requests with another credential in its place are refused") }
    return lines
  }

  /// Where it may stand, the scope of signatures with it: `aws-sigv4(eu-west-1/s3)`.
  static func places(_ summary: SecretSummary, separator: String) -> String {
    summary.places.map { place in
      guard place == "aws-sigv4", let aws = summary.aws else { return place }
      return "\(place)(\(aws.region)/\(aws.service))"
    }.joined(separator: separator)
  }

  /// Says once that values on the command line stay in the shell's history.
  static func remarkOnHistory(_ values: SecretValues, _ output: Output) async throws {
    guard values.hasLiteral else { return }
    try await output.note("The value stands in your shell's history now; KEY=@FILE and KEY=- keep it out.")
  }
}
