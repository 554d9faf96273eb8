/// What the readers of JSON and of event streams ask of bytes.
extension Span<UInt8> {
  /// Whether these bytes are `text`.
  func equals(_ text: StaticString, at range: Range<Int>) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for place in 0..<range.count {
      // Within the constant, whose length was compared.
      guard unsafe self[range.lowerBound + place] == text.utf8Start[place] else { return false }
    }
    return true
  }

  /// The first byte at or after `start` that ends or interrupts plain text in quotes: a quote, a backslash, a control character, or one
  /// outside ASCII. The count of all bytes when there is none.
  func firstSpecial(from start: Int) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let raw = unsafe self.bytes
    var place = start
    while place + 8 <= count {
      // Checked by the loop; any eight bytes are an integer.
      let word = unsafe UInt64(littleEndian: raw.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self))
      // The high bit of a byte is set for a control character, a quote, a backslash (each by a borrow) and outside ASCII. A borrow that
      // goes on into the next byte starts in one that counts, so that the first is right.
      let found =
        ((word &- ones &* 0x20) | ((word ^ ones &* 0x22) &- ones) | ((word ^ ones &* 0x5c) &- ones) | word) & (ones &* 0x80)
      if found != 0 { return place + found.trailingZeroBitCount / 8 }
      place += 8
    }
    while place < count {
      let byte = self[place]
      if byte < 0x20 || byte >= 0x80 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return place }
      place += 1
    }
    return count
  }

  /// How long the well-formed UTF-8 sequence of a character outside ASCII is (Unicode 16, table 3-7); 0 when it is none.
  func lengthOfScalar(at start: Int) -> Int {
    let left = count - start
    func isNext(_ offset: Int, _ range: ClosedRange<UInt8> = 0x80...0xbf) -> Bool { range.contains(self[start + offset]) }
    switch self[start] {
    case 0xc2...0xdf: return left >= 2 && isNext(1) ? 2 : 0
    case let lead where lead & 0xf0 == 0xe0:
      let second: ClosedRange<UInt8> = lead == 0xe0 ? 0xa0...0xbf : lead == 0xed ? 0x80...0x9f : 0x80...0xbf
      return left >= 3 && isNext(1, second) && isNext(2) ? 3 : 0
    case let lead where (0xf0...0xf4).contains(lead):
      let second: ClosedRange<UInt8> = lead == 0xf0 ? 0x90...0xbf : lead == 0xf4 ? 0x80...0x8f : 0x80...0xbf
      return left >= 4 && isNext(1, second) && isNext(2) && isNext(3) ? 4 : 0
    default: return 0
    }
  }

  /// These bytes as text; what is not UTF-8 is replaced.
  func string(_ range: Range<Int>) -> String {
    // They are only read, for the time of the call.
    unsafe extracting(range).withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }
}

extension Span<UInt8> {
  /// The whole number that these bytes are in digits; nil for everything else and for more than 18 digits.
  func integer(_ range: Range<Int>) -> Int? {
    var place = range.lowerBound
    let isNegative = place < range.upperBound && self[place] == UInt8(ascii: "-")
    if isNegative { place += 1 }
    guard 1...18 ~= range.upperBound - place else { return nil }
    var number = 0
    while place < range.upperBound {
      guard case 48...57 = self[place] else { return nil }
      number = number * 10 + Int(self[place] - 48)
      place += 1
    }
    return isNegative ? -number : number
  }
}
