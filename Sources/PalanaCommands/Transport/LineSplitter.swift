import PalanaCore

/// Cuts bytes that arrive in any pieces into lines. Pure; holds at most one unfinished line.
struct LineSplitter {
  private var rest: [UInt8] = []
  private let limit: Int

  /// - Parameter limit: the longest line in bytes.
  init(limit: Int = 8 << 20) { self.limit = limit }

  /// The lines that `bytes` complete, without their line ends; empty lines are left out.
  /// - Throws: ``PalanaError`` with code `failed` for a line over the limit.
  mutating func push(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var lines: [[UInt8]] = []
    var start = bytes.startIndex
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      rest += bytes[start..<end]
      if !rest.isEmpty { lines.append(rest) }
      rest = []
      start = end + 1
    }
    rest += bytes[start...]
    guard rest.count <= limit else { throw PalanaError(.failed, "a line of the server's answer is too long") }
    return lines
  }

  /// What stands after the last line end.
  mutating func finish() -> [UInt8]? {
    defer { rest = [] }
    return rest.isEmpty ? nil : rest
  }
}
