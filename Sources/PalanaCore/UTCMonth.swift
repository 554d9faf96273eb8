/// A month of the calendar in UTC, as a range of times.
package struct UTCMonth: Hashable, Sendable {
  /// Its first moment.
  package let start: Timestamp
  /// The first moment of the next one.
  package let end: Timestamp

  /// The month in which `time` lies.
  package init(of time: Timestamp) {
    let (year, month, _) = Timestamp.civil(fromDays: Timestamp.floorDivide(time.microseconds, 86_400_000_000).0)
    let next = month == 12 ? (year + 1, 1) : (year, month + 1)
    start = Timestamp(seconds: Timestamp.days(year: year, month: month, day: 1) * 86_400)
    end = Timestamp(seconds: Timestamp.days(year: next.0, month: next.1, day: 1) * 86_400)
  }
}
