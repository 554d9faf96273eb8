import ArgumentParser

/// How a command writes its result.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// For people: aligned columns and sentences.
  case table
  /// For programs: one JSON document, or one JSON object per line where results stream.
  case json
  /// For editing and `apply -f`.
  case yaml
}
