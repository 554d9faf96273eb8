/// The pairs of a query, or of a body of the type `application/x-www-form-urlencoded`.
struct FormPairs {
  /// One pair, as ranges of the source.
  struct Pair {
    var name: Range<Int>
    /// Nil without an equals sign.
    var value: Range<Int>?
  }

  let source: [UInt8]

  /// Every pair, left to right. Empty ones are left out.
  var pairs: [Pair] {
    var result: [Pair] = []
    var start = 0
    while start <= source.count {
      let end = source[start...].firstIndex(of: UInt8(ascii: "&")) ?? source.count
      if end > start {
        if let equals = source[start..<end].firstIndex(of: UInt8(ascii: "=")) {
          result.append(Pair(name: start..<equals, value: (equals + 1)..<end))
        } else {
          result.append(Pair(name: start..<end, value: nil))
        }
      }
      start = end + 1
    }
    return result
  }

  /// The name as a server reads it.
  func name(_ pair: Pair) -> [UInt8] {
    DecodedText(percent: source, in: pair.name, plusIsSpace: true).bytes
  }

  /// The value as a server reads it.
  func value(_ range: Range<Int>) -> DecodedText { DecodedText(percent: source, in: range, plusIsSpace: true) }

  /// Whether some servers would read another pair out of the value.
  func isAmbiguous(_ range: Range<Int>) -> Bool { source[range].contains(UInt8(ascii: ";")) }
}
