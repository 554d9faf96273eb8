/// How long text is, in bytes of UTF-8, by what its tokens are made of.
package struct TextSize: Hashable, Sendable {
  /// Letters and spaces of ASCII (and its control characters).
  package var letters: Int
  /// Digits and signs of ASCII.
  package var signs: Int
  /// All other characters.
  package var other: Int

  package init(letters: Int = 0, signs: Int = 0, other: Int = 0) {
    self.letters = letters
    self.signs = signs
    self.other = other
  }

  package init(_ text: String) { self.init(text.utf8Span.span) }

  package init(_ bytes: borrowing Span<UInt8>) {
    let other = bytes.count { $0 >= 0x80 }
    signs = bytes.signs(0..<bytes.count)
    letters = bytes.count - other - signs
    self.other = other
  }

  init(_ text: JSONTokenizer.Text, _ bytes: borrowing Span<UInt8>) {
    signs = bytes.signs(text.range)
    other = text.otherBytes
    letters = text.range.count - signs - other
  }

  package var bytes: Int { letters &+ signs &+ other }

  package static func += (left: inout Self, right: Self) {
    left.letters &+= right.letters
    left.signs &+= right.signs
    left.other &+= right.other
  }
}

extension Span<UInt8> {
  fileprivate func count(where isCounted: (UInt8) -> Bool) -> Int {
    var number = 0
    for place in indices where isCounted(self[place]) { number += 1 }
    return number
  }

  /// How many bytes are digits or signs of ASCII.
  fileprivate func signs(_ range: Range<Int>) -> Int {
    let high: UInt64 = 0x8080_8080_8080_8080
    let ones: UInt64 = 0x0101_0101_0101_0101
    let raw = unsafe self.bytes
    var number = 0
    var place = range.lowerBound
    while place + 8 <= range.upperBound {
      // One count in each byte of a word, for so many words that all of them together fit into one byte.
      var counts: UInt64 = 0
      let end = Swift.min(range.upperBound - 8, place + 30 * 8)
      while place <= end {
        // Checked by the loop; any eight bytes are an integer.
        let word = unsafe raw.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self)
        let low = word & ~high
        // The high bit of each byte that is over a space, and not from a to z when it is written small. No sum goes over its byte.
        let small = low | ones &* 0x20
        let isOverSpace = low &+ ones &* (0x7f - 0x20)
        let isFromA = small &+ ones &* (0x80 - 0x61)
        let isBehindZ = small &+ ones &* (0x7f - 0x7a)
        counts &+= (isOverSpace & ~(isFromA & ~isBehindZ) & ~word & high) >> 7
        place += 8
      }
      number += Int(truncatingIfNeeded: (counts &* ones) >> 56)
    }
    while place < range.upperBound {
      let byte = self[place]
      if byte > 0x20, byte < 0x80, !(0x61...0x7a).contains(byte | 0x20) { number += 1 }
      place += 1
    }
    return number
  }
}
