import PalanaCore

/// Lengths of time for people.
enum Age {
  /// The time from `start` to `now` in its one or two largest units: `42s`, `5m`, `3h12m`, `2d`, `400d`. Never negative.
  static func text(since start: Timestamp?, now: Timestamp) -> String {
    guard let start else { return "" }
    return text(now - start)
  }

  /// As above, of a length.
  static func text(_ length: Duration) -> String {
    let seconds = max(0, length.components.seconds)
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400)
    switch seconds {
    case ..<120: return "\(seconds)s"
    case ..<600: return seconds % 60 == 0 ? "\(minutes)m" : "\(minutes)m\(seconds % 60)s"
    case ..<7200: return "\(minutes)m"
    case ..<36_000: return minutes % 60 == 0 ? "\(hours)h" : "\(hours)h\(minutes % 60)m"
    case ..<172_800: return "\(hours)h"
    default: return "\(days)d"
    }
  }

  /// A number with one digit after the point: `38.2`, `0.4`. Never in scientific form.
  static func decimal(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "?" }
    let tenths = Int64((value * 10).rounded())
    return "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
  }
}
