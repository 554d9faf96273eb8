import PalanaCore

/// A moment as people give it: how long ago (`10m`, `1h30m`, `2d`), or an RFC 3339 time.
enum PointInTime {
  /// - Throws: ``PalanaError`` with code `invalid`.
  static func parse(_ text: String, option: String, now: Timestamp) throws(PalanaError) -> Timestamp {
    if let time = Timestamp(parsing: text) { return time }
    if let span = try? TimeSpan(text) { return now - span.duration }
    throw PalanaError(
      .invalid, "‘\(option) \(text.prefix(40))’ is neither a length of time nor a time",
      hint: "write for example 10m, 1h30m, 2d or 2026-11-21T08:00:00Z")
  }
}
