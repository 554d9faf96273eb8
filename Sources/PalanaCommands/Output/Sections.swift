import PalanaAPI

/// Labels with values below each other, as `describe` shows them. Values are made safe for a terminal.
struct Sections: Sendable {
  private var rows: [(label: String, values: [String])] = []

  /// Adds a value; nil and empty ones are left out.
  mutating func add(_ label: String, _ value: String?) {
    if let value, !value.isEmpty { rows.append((label, [value])) }
  }

  /// Adds a list, one value per line; nil and empty ones are left out.
  mutating func add(_ label: String, _ values: [String]?) {
    if let values, !values.isEmpty { rows.append((label, values)) }
  }

  /// The lines, values in one column.
  func lines() -> [String] {
    let width = (rows.map(\.label.count).max() ?? 0) + 3
    return rows.flatMap { row in
      row.values.enumerated().map { index, value in
        (index == 0 ? "\(row.label):" : "").padding(to: width) + TerminalText.safe(value)
      }
    }
  }
}

/// A command line in words.
enum CommandText {
  /// Quoted as a shell would read it.
  static func text(_ words: [String]) -> String {
    words.map { word in
      let plain =
        !word.isEmpty
        && word.utf8.allSatisfy {
          (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "_-./:=@%+,".utf8.contains($0)
        }
      return plain ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }.joined(separator: " ")
  }
}

/// Limits in words.
enum LimitText {
  /// For example `cpu 2, memory 2Gi, pids 256`; nil when there is none.
  static func text(_ resources: AgentResources?) -> String? {
    guard let resources else { return nil }
    let parts = [
      resources.cpu.map { "cpu \($0)" }, resources.memory.map { "memory \($0)" },
      resources.storage.map { "storage \($0)" }, resources.pids.map { "pids \($0)" },
    ].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  /// For example `simple, at most 6 calls, 2 repeats`; nil when there are no limits.
  static func text(_ reasoning: AgentReasoning?) -> String? {
    guard let reasoning else { return nil }
    let parts = [
      reasoning.tier?.rawValue, reasoning.maxCalls.map { "at most \($0) calls" }, reasoning.maxRepeats.map { "\($0) repeats" },
      reasoning.maxToolLoops.map { "\($0) tool loops" },
    ].compactMap { $0 }
    return parts.isEmpty ? "repeats and tool loops only" : parts.joined(separator: ", ")
  }
}
