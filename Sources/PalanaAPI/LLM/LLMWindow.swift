package import PalanaCore

/// The stretch of time in which a limit counts, and after which it counts from nothing again. All of them begin in UTC: a minute at second
/// 0, a day at midnight, a month on its first day.
package enum LLMWindow: String, Codable, Hashable, CaseIterable, Sendable {
  case minute, hour, day, month

  private var length: Int64? {
    switch self {
    case .minute: 60_000_000
    case .hour: 3_600_000_000
    case .day: 86_400_000_000
    case .month: nil
    }
  }

  /// The first moment of the window in which `time` lies.
  package func start(of time: Timestamp) -> Timestamp {
    guard let length else { return UTCMonth(of: time).start }
    let rest = time.microseconds % length
    return Timestamp(microseconds: time.microseconds - (rest < 0 ? rest + length : rest))
  }

  /// The first moment of the next window.
  package func end(of time: Timestamp) -> Timestamp {
    guard let length else { return UTCMonth(of: time).end }
    return Timestamp(microseconds: start(of: time).microseconds + length)
  }
}
