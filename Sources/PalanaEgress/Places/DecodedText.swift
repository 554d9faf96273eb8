/// A text out of its encoding, with the way back: where in the source each of its bytes began.
struct DecodedText {
  private(set) var bytes: [UInt8] = []
  /// For each byte where its spelling begins in the source, and at the end where the last one ends.
  private var starts: [Int] = []

  private init(_ count: Int) {
    bytes.reserveCapacity(count)
    starts.reserveCapacity(count + 1)
  }

  private mutating func append(_ byte: UInt8, at start: Int) {
    bytes.append(byte)
    starts.append(start)
  }

  /// The range of the source that spells these bytes.
  func source(of range: Range<Int>) -> Range<Int> { starts[range.lowerBound]..<starts[range.upperBound] }

  /// Bytes that stand for themselves.
  init(plain source: [UInt8], in range: Range<Int>) {
    self.init(range.count)
    for index in range { append(source[index], at: index) }
    starts.append(range.upperBound)
  }

  /// Percent-encoding (RFC 3986 §2.1), decoded once; what is malformed stands for itself.
  ///
  /// - Parameter plusIsSpace: as in queries and forms.
  init(percent source: [UInt8], in range: Range<Int>, plusIsSpace: Bool) {
    self.init(range.count)
    var index = range.lowerBound
    while index < range.upperBound {
      if source[index] == UInt8(ascii: "%"), index + 2 < range.upperBound,
        let high = ByteClass.hexadecimal(source[index + 1]), let low = ByteClass.hexadecimal(source[index + 2])
      {
        append(high << 4 | low, at: index)
        index += 3
      } else {
        append(plusIsSpace && source[index] == UInt8(ascii: "+") ? UInt8(ascii: " ") : source[index], at: index)
        index += 1
      }
    }
    starts.append(range.upperBound)
  }

  /// The contents of a JSON string (RFC 8259 §7), without its quotes. Half of a surrogate pair becomes the replacement character.
  ///
  /// - Returns: nil when an escape is malformed.
  init?(json source: [UInt8], in range: Range<Int>) {
    self.init(range.count)
    var index = range.lowerBound
    while index < range.upperBound {
      guard source[index] == UInt8(ascii: "\\") else {
        append(source[index], at: index)
        index += 1
        continue
      }
      guard index + 1 < range.upperBound else { return nil }
      if let plain = Self.shortEscape(source[index + 1]) {
        append(plain, at: index)
        index += 2
        continue
      }
      guard source[index + 1] == UInt8(ascii: "u"), let first = Self.codeUnit(source, index + 2, range.upperBound) else {
        return nil
      }
      let start = index
      index += 6
      var scalar = Unicode.Scalar(UInt32(first))
      if scalar == nil, first < 0xdc00, index + 1 < range.upperBound, source[index] == UInt8(ascii: "\\"),
        source[index + 1] == UInt8(ascii: "u"), let second = Self.codeUnit(source, index + 2, range.upperBound),
        (0xdc00...0xdfff).contains(second)
      {
        scalar = Unicode.Scalar(0x10000 + (UInt32(first) - 0xd800) << 10 + (UInt32(second) - 0xdc00))
        index += 6
      }
      for byte in UTF8.encode(scalar ?? "\u{fffd}") ?? UTF8.encodedReplacementCharacter { append(byte, at: start) }
    }
    starts.append(range.upperBound)
  }

  private static func shortEscape(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte
    case UInt8(ascii: "b"): 8
    case UInt8(ascii: "f"): 12
    case UInt8(ascii: "n"): 10
    case UInt8(ascii: "r"): 13
    case UInt8(ascii: "t"): 9
    default: nil
    }
  }

  /// Four hexadecimal digits.
  private static func codeUnit(_ source: [UInt8], _ start: Int, _ end: Int) -> UInt16? {
    guard start + 4 <= end else { return nil }
    var value: UInt16 = 0
    for index in start..<(start + 4) {
      guard let digit = ByteClass.hexadecimal(source[index]) else { return nil }
      value = value << 4 | UInt16(digit)
    }
    return value
  }
}
