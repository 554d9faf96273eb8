import PalanaCore
import PalanaManifests

/// Writes events: a table, the stored lines, or YAML documents.
struct AuditWriter {
  private let output: Output
  private let follow: Bool
  private var waiting: [JSONValue] = []
  private var hasHeadings = false

  /// A table waits for this many rows to find its widths; a longer one goes on row by row, with fixed ones.
  private static let mostWaiting = 10_000

  /// Widths of the columns when rows are written one by one.
  private static let widths = [20, 12, 9, 9, 8, 28, 7, 24, 6]

  init(output: Output, follow: Bool) {
    self.output = output
    self.follow = follow
  }

  /// Takes one line of the server's answer.
  mutating func write(_ line: [UInt8]) async throws {
    switch output.format {
    case .json: try await output.io.output.write(line + [UInt8(ascii: "\n")])
    case .yaml: try await output.raw("---\n" + (try YAMLText.document(try JSONValue(parsing: line))))
    case .table:
      let event = try JSONValue(parsing: line)
      if !follow, !hasHeadings {
        waiting.append(event)
        if waiting.count < Self.mostWaiting { return }
        try await rows(waiting, widths: Self.widths)
        waiting = []
      } else {
        try await rows([event], widths: Self.widths)
      }
    }
  }

  /// Writes what waits.
  mutating func finish() async throws {
    guard output.format == .table, !follow, !hasHeadings else { return }
    guard !waiting.isEmpty else { return try await output.note("No event matches.") }
    try await rows(waiting, widths: [])
  }

  private mutating func rows(_ events: [JSONValue], widths: [Int]) async throws {
    var table = Self.table(events)
    let lines = table.lines(colour: output.colourOutput, minimum: widths, headings: !hasHeadings)
    hasHeadings = true
    table.rows = []
    try await output.raw(lines.joined(separator: "\n") + "\n")
  }

  /// One row per event. What is missing or of another type shows as `-`: an audit trail is read even when it is strange.
  static func table(_ events: [JSONValue]) -> Table {
    Table(
      ["TIME", "AGENT", "COMPONENT", "ACTION", "DECISION", "HOST", "METHOD", "PATH", "STATUS", "REASON"],
      rows: events.map { event in
        let request = event["request"]
        let decision = event["decision"]?.string
        let isCritical = event["severity"]?.string == "critical"
        let tone: Table.Tone =
          switch decision {
          case "allow": .good
          case "deny", "error": .bad
          default: .plain
          }
        let port = request?["port"]?.int
        let host = request?["host"]?.string.map { $0 + (port == nil || port == 443 ? "" : ":\(port ?? 0)") }
        let reason = [isCritical ? "CRITICAL" : nil, event["reason"]?.string ?? details(event)].compactMap { $0 }
        return [
          .init(time(event["time"]?.string), .faint), .init(event["agent"]?["name"]?.string),
          .init(event["component"]?.string), .init(event["action"]?.string), .init(decision, tone), .init(host),
          .init(request?["method"]?.string), .init(request?["path"]?.string.map(shortened)),
          .init(event["response"]?["status"]?.int.map(String.init)),
          .init(reason.joined(separator: " "), isCritical ? .bad : .plain),
        ]
      })
  }

  /// Without the fraction: `2026-11-21T00:48:35Z`.
  private static func time(_ text: String?) -> String {
    guard let text, let dot = text.firstIndex(of: ".") else { return text ?? "" }
    return text[..<dot] + "Z"
  }

  /// A path of a megabyte would bury the others; the whole one is in `-o json`.
  private static func shortened(_ path: String) -> String { path.count > 80 ? path.prefix(79) + "…" : path }

  private static func details(_ event: JSONValue) -> String? {
    guard let details = event["details"]?.object, !details.isEmpty else { return nil }
    let text = details.keys.sorted().map { "\($0)=\(details[$0]?.string ?? "?")" }.joined(separator: " ")
    return text.count > 120 ? text.prefix(119) + "…" : text
  }
}
