import PalanaCore

/// Bytes of a message, and where in them which secrets stand.
struct PlacedText {
  /// One placeholder of the text.
  struct Substitution: Hashable {
    /// How it is spelled in ``PlacedText/source``.
    var range: Range<Int>
    /// Which secret of the request.
    var binding: Int
    var encoding: ValueEncoding
  }

  let source: [UInt8]
  /// Left to right, without overlap.
  private(set) var substitutions: [Substitution] = []

  init(_ source: [UInt8]) { self.source = source }

  mutating func add(_ substitution: Substitution) { substitutions.append(substitution) }

  /// The text with every placeholder replaced, each exactly once.
  ///
  /// - Returns: nil when a value cannot stand where its placeholder does.
  func filled(with secrets: [Redacted<String>]) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(source.count + 64 * substitutions.count)
    var copied = 0
    for substitution in substitutions {
      guard let value = substitution.encoding.encode(secrets[substitution.binding]) else { return nil }
      result += source[copied..<substitution.range.lowerBound]
      result += value
      copied = substitution.range.upperBound
    }
    result += source[copied...]
    return result
  }

  /// The text without its placeholders: what must not hold another one, in any spelling.
  var rest: [UInt8] {
    var result = source
    for substitution in substitutions {
      for index in substitution.range { result[index] = UInt8(ascii: " ") }
    }
    return result
  }
}
