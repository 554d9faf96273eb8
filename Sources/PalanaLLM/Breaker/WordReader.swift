/// Text as words whose small differences do not count, each as a number.
///
/// Letters are read small. A word with a digit in it, and one of at least eight letters that are all hexadecimal, is *some number*, and
/// several of these one after another are one: numbers, times, dates, addresses, identifiers and digests all look alike. White space,
/// punctuation and escapes only separate words. Of scripts that do not put spaces between words (three bytes and more for each character in
/// UTF-8) each character is a word.
struct WordReader {
  /// What stands for every number.
  private static let number: UInt64 = 0x9e37_79b9_7f4a_7c15

  private var hash: UInt64 = 0
  private var length = 0
  private var hasDigit = false
  private var isHex = true
  private var isAfterNumber = false

  /// Reads the content of a JSON text, or any piece of JSON, with the escapes as they stand there.
  mutating func read(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>, _ word: (UInt64) -> Void) {
    var place = range.lowerBound
    let end = range.upperBound
    while place < end {
      let byte = bytes[place]
      place += 1
      switch byte {
      case 0x61...0x7a: add(byte, isHex: byte <= 0x66)
      case 0x41...0x5a: add(byte | 0x20, isHex: byte <= 0x46)
      case 0x30...0x39:
        hasDigit = true
        add(byte, isHex: true)
      case UInt8(ascii: "_"): add(byte, isHex: false)
      // Within words only: the parts of an identifier are one word.
      case UInt8(ascii: "-"): if length > 0 { add(byte, isHex: true) }
      case UInt8(ascii: "\\"): place = escape(bytes, place, end, word)
      case 0x80..<0xe0: add(byte, isHex: false)
      case 0xe0...:
        finish(word)
        add(byte, isHex: false)
        while place < end, bytes[place] & 0xc0 == 0x80 {
          add(bytes[place], isHex: false)
          place += 1
        }
        finish(word)
      default: finish(word)
      }
    }
    finish(word)
  }

  /// - Returns: behind the escape.
  private mutating func escape(_ bytes: borrowing Span<UInt8>, _ place: Int, _ end: Int, _ word: (UInt64) -> Void) -> Int {
    guard place < end, bytes[place] == UInt8(ascii: "u"), place + 5 <= end else {
      finish(word)
      return place + 1
    }
    // A character outside ASCII, mostly: of the second kind when it is above U+07FF.
    let isWord = bytes[place + 1] != UInt8(ascii: "0") || bytes[place + 2] > UInt8(ascii: "7")
    if isWord { finish(word) }
    for digit in place + 1..<place + 5 { add(bytes[digit] | 0x20, isHex: false) }
    if isWord { finish(word) }
    return place + 5
  }

  private mutating func add(_ byte: UInt8, isHex: Bool) {
    hash = (hash ^ UInt64(byte)) &* 0x0100_0000_01b3
    length &+= 1
    self.isHex = self.isHex && isHex
  }

  private mutating func finish(_ word: (UInt64) -> Void) {
    guard length > 0 else { return }
    let isNumber = hasDigit || (isHex && length >= 8)
    if !isNumber { word(hash) } else if !isAfterNumber { word(Self.number) }
    isAfterNumber = isNumber
    (hash, length, hasDigit, isHex) = (0, 0, false, true)
  }
}

extension UInt64 {
  /// Every bit of it in every bit of the result (the finalizer of MurmurHash3).
  var mixed: UInt64 {
    var bits = self
    bits = (bits ^ (bits >> 33)) &* 0xff51_afd7_ed55_8ccd
    bits = (bits ^ (bits >> 33)) &* 0xc4ce_b9fe_1a85_ec53
    return bits ^ (bits >> 33)
  }
}

extension Span<UInt8> {
  /// A number for exactly these bytes. Not for what somebody could gain by finding two with the same.
  func fingerprint(_ range: Range<Int>) -> UInt64 {
    let raw = unsafe self.bytes
    var hash = UInt64(truncatingIfNeeded: range.count)
    var place = range.lowerBound
    while place + 8 <= range.upperBound {
      // Checked by the loop; any eight bytes are an integer.
      let word = unsafe raw.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self)
      hash = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
      hash ^= hash >> 29
      place += 8
    }
    while place < range.upperBound {
      hash = (hash ^ UInt64(self[place])) &* 0x0100_0000_01b3
      place += 1
    }
    return hash.mixed
  }

  /// What is read of a long piece: its beginning and its end, `budget` bytes together at most, in whole words where there are spaces.
  func ends(of range: Range<Int>, budget: Int) -> (head: Range<Int>, tail: Range<Int>) {
    guard range.count > budget else { return (range, range.upperBound..<range.upperBound) }
    let half = Swift.max(0, budget) / 2
    let (first, last) = (range.lowerBound + half, range.upperBound - half)
    var (end, start) = (first, last)
    // No word is longer than this, or it is none.
    while end > range.lowerBound, first - end < 64, self[end] != UInt8(ascii: " ") { end -= 1 }
    while start < range.upperBound, start - last < 64, self[start] != UInt8(ascii: " ") { start += 1 }
    return (range.lowerBound..<end, start..<range.upperBound)
  }
}
