import PalanaCore
import PalanaPlan

/// The shim's log lines: `TIME STREAM TAG TEXT`, with TAG `F` for a whole line and `P` for a part of a longer one.
enum LogFormat {
  /// `2026-11-21T00:48:35.120034Z`.
  static let timeLength = 27

  /// Nil: not a line of the shim (cut off by a crash).
  static func parse(_ line: ArraySlice<UInt8>) -> LogLine? {
    let head = line.prefix(timeLength)
    // `TIME stdout F `: the names of both streams have six letters.
    let textStart = line.startIndex + timeLength + 10
    guard line.count >= timeLength + 10, let time = Timestamp(parsing: String(decoding: head, as: UTF8.self)),
      let stream = LogLine.Stream(
        rawValue: String(decoding: line[(head.endIndex + 1)..<(head.endIndex + 7)], as: UTF8.self))
    else { return nil }
    return LogLine(time: time, stream: stream, text: String(decoding: line[textStart...], as: UTF8.self))
  }

  /// Whether the line was written before `time` (as text, which sorts like time).
  static func isBefore(_ line: ArraySlice<UInt8>, _ time: [UInt8]) -> Bool {
    line.prefix(timeLength).lexicographicallyPrecedes(time)
  }
}
