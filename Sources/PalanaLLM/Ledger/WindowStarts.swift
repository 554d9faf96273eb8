import PalanaAPI
import PalanaCore

/// The first moments of the four windows in which a time lies, in microseconds: what tells windows apart.
struct WindowStarts: Hashable {
  private var minute: Int64
  private var hour: Int64
  private var day: Int64
  private var month: Int64

  /// - Parameter known: the month of an earlier time, so that the calendar is asked once a month and not for every call.
  init(of time: Timestamp, month known: UTCMonth) {
    minute = LLMWindow.minute.start(of: time).microseconds
    hour = LLMWindow.hour.start(of: time).microseconds
    day = LLMWindow.day.start(of: time).microseconds
    let isKnown = known.start <= time && time < known.end
    month = (isKnown ? known : UTCMonth(of: time)).start.microseconds
  }

  subscript(window: LLMWindow) -> Int64 {
    switch window {
    case .minute: minute
    case .hour: hour
    case .day: day
    case .month: month
    }
  }
}
