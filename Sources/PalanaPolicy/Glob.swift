/// A glob as a bit-parallel automaton.
///
/// Position `i` means “the first `i` literal bytes have been seen”. A star between two literals is a loop on the
/// position between them, so there are no empty transitions and one step is a shift and two masks.
struct Glob: Hashable, Sendable {
  /// Number of 64-bit words that hold one bit per position.
  private let words: Int
  /// For each byte the row of `advance`; row 0 is the byte that stands nowhere in the pattern.
  private let rows: [UInt8]
  /// Row by row: the positions whose next literal is that byte.
  private let advance: [UInt64]
  /// Positions with `*`: stay on every byte but `/`.
  private let loopInSegment: [UInt64]
  /// Positions with `**`: stay on every byte.
  private let loopAnywhere: [UInt64]
  private let literals: Int

  init(_ pattern: [UInt8]) {
    var literal: [UInt8] = []
    var inSegment: [Int] = []
    var anywhere: [Int] = []
    var index = 0
    while index < pattern.count {
      guard pattern[index] == UInt8(ascii: "*") else {
        literal.append(pattern[index])
        index += 1
        continue
      }
      let double = index + 1 < pattern.count && pattern[index + 1] == UInt8(ascii: "*")
      if double { anywhere.append(literal.count) } else { inSegment.append(literal.count) }
      index += double ? 2 : 1
    }
    let words = literal.count / 64 + 1
    func mask(_ positions: [Int]) -> [UInt64] {
      var result = [UInt64](repeating: 0, count: words)
      for position in positions { result[position / 64] |= 1 << UInt64(position % 64) }
      return result
    }
    var rows = [UInt8](repeating: 0, count: 256)
    var advance = [UInt64](repeating: 0, count: words)
    var next: UInt8 = 1
    for (position, byte) in literal.enumerated() {
      if rows[Int(byte)] == 0 {
        rows[Int(byte)] = next
        next += 1
        advance.append(contentsOf: repeatElement(0, count: words))
      }
      advance[Int(rows[Int(byte)]) * words + position / 64] |= 1 << UInt64(position % 64)
    }
    self.words = words
    self.rows = rows
    self.advance = advance
    loopInSegment = mask(inSegment)
    loopAnywhere = mask(anywhere)
    literals = literal.count
  }

  /// Whether the whole of `text` is covered.
  func matches(_ text: some Sequence<UInt8>) -> Bool {
    words == 1 ? matchesShort(text) : matchesLong(text)
  }

  private func matchesShort(_ text: some Sequence<UInt8>) -> Bool {
    let anywhere = loopAnywhere[0]
    let inSegment = loopInSegment[0]
    var active: UInt64 = 1
    for byte in text {
      let loops = byte == UInt8(ascii: "/") ? anywhere : anywhere | inSegment
      active = (active & advance[Int(rows[Int(byte)])]) << 1 | active & loops
      if active == 0 { return false }
    }
    return active >> UInt64(literals) & 1 == 1
  }

  private func matchesLong(_ text: some Sequence<UInt8>) -> Bool {
    var active = [UInt64](repeating: 0, count: words)
    active[0] = 1
    for byte in text {
      let row = Int(rows[Int(byte)]) * words
      let slash = byte == UInt8(ascii: "/")
      var carry: UInt64 = 0
      var alive: UInt64 = 0
      for word in 0..<words {
        let moving = active[word] & advance[row + word]
        let loops = slash ? loopAnywhere[word] : loopAnywhere[word] | loopInSegment[word]
        active[word] = moving << 1 | carry | active[word] & loops
        carry = moving >> 63
        alive |= active[word]
      }
      if alive == 0 { return false }
    }
    return active[literals / 64] >> UInt64(literals % 64) & 1 == 1
  }
}
