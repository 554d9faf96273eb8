import PalanaAPI
import PalanaCore

/// Amounts of language models for people.
enum LLMText {
  /// For example `$1.25`, or `~$1.25` when a price in it is not known.
  static func cost(_ cost: DollarAmount, isKnown: Bool) -> Table.Cell {
    .init((isKnown ? "$" : "~$") + DollarAmount(cost.cost).description, isKnown ? .plain : .warning)
  }

  /// Milliseconds as `420ms` or `12.3s`; nil: nothing.
  static func time(_ milliseconds: Double?) -> String? {
    guard let milliseconds, milliseconds.isFinite else { return nil }
    return milliseconds < 1000 ? "\(Int64(max(0, milliseconds).rounded()))ms" : Age.decimal(milliseconds / 1000) + "s"
  }

  /// A part of a whole as a bar of twenty places.
  static func bar(percent: Double) -> String {
    let full = Int(min(max(percent, 0), 100) / 5)
    return String(repeating: "█", count: full) + String(repeating: "░", count: 20 - full)
  }

  /// To the second, in UTC.
  static func moment(_ time: Timestamp) -> String { String(time.description.prefix(19)) + "Z" }
}
