package import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Finds an agent's placeholders in bytes that it sends, and texts that look like somebody's placeholder but are not one
/// of its own. Built once for each agent; a value that holds none costs one search for one byte.
///
/// - Where one placeholder begins with another, the longest counts.
/// - A standard placeholder (`TOKEN_[A-Z0-9_]+`) counts only as a whole word: with more such characters behind it, it is an
///   unknown one. A chosen placeholder counts wherever it stands.
package struct PlaceholderScanner: Sendable {
  /// One place where a placeholder stands.
  package struct Match: Hashable, Sendable {
    /// Byte offsets.
    package var range: Range<Int>
    /// Index in the list that the scanner was made from. Nil: it has the shape of a placeholder, but is none of the agent's.
    package var placeholder: Int?
  }

  private let automaton: PlaceholderAutomaton
  /// Whether a placeholder has the standard shape, by index.
  private let isStandard: [Bool]
  /// A byte that every pattern holds, the rarest in ordinary headers. Nil: there is none in common.
  private let anchor: UInt8?
  private let count: Int

  /// - Parameter placeholders: of one agent, in any order; empty texts are ignored.
  package init(_ placeholders: [String]) {
    var patterns = placeholders.map { Array($0.utf8) }
    isStandard = patterns.map(Self.isStandard)
    count = patterns.count
    // The generic beginning is a pattern of its own, so one pass finds both.
    patterns.append(Array(PlaceholderNaming.prefix.utf8))
    automaton = PlaceholderAutomaton(patterns)
    let real = patterns.filter { !$0.isEmpty }
    anchor = Self.rareBytes.first { byte in real.allSatisfy { $0.contains(byte) } }
  }

  /// The leftmost placeholder at or after `start`.
  package func firstMatch(in bytes: Span<UInt8>, from start: Int = 0) -> Match? {
    guard start < bytes.count, var position = firstPossible(bytes, from: start) else { return nil }
    while let found = automaton.first(in: bytes, from: position) {
      let begin = found.range.lowerBound
      if found.pattern < count, !isStandard[found.pattern] {
        return Match(range: found.range, placeholder: found.pattern)
      }
      var end = found.range.upperBound
      while end < bytes.count, Self.isWord(bytes[end]) { end += 1 }
      if found.pattern < count {
        return Match(range: begin..<end, placeholder: end == found.range.upperBound ? found.pattern : nil)
      }
      // Only the generic beginning: a placeholder if it starts a word and something follows.
      if end > found.range.upperBound, begin == 0 || !Self.isWord(bytes[begin - 1]) {
        return Match(range: begin..<end, placeholder: nil)
      }
      position = begin + 1
    }
    return nil
  }

  /// The leftmost placeholder at or after the byte offset `start`.
  package func firstMatch(in text: String, from start: Int = 0) -> Match? {
    firstMatch(in: text.utf8Span.span, from: start)
  }

  /// Every placeholder of the text, left to right, without overlap.
  package func matches(in bytes: Span<UInt8>) -> [Match] {
    var result: [Match] = []
    var position = 0
    while let match = firstMatch(in: bytes, from: position) {
      result.append(match)
      position = match.range.upperBound
    }
    return result
  }

  /// Every placeholder of the text, left to right, without overlap. Ranges are byte offsets.
  package func matches(in text: String) -> [Match] { matches(in: text.utf8Span.span) }

  /// The text with every placeholder replaced, each exactly once: what was put in is not looked at again, so a value that
  /// looks like a placeholder stays as it is. Nil: the text holds none.
  ///
  /// - Parameter resolve: the value for a match. It throws to refuse the whole text, for example for an unknown placeholder.
  package func replaceAll<Refusal: Error>(
    in text: String, resolve: (Match) throws(Refusal) -> Redacted<String>
  ) throws(Refusal) -> Redacted<String>? {
    guard var match = firstMatch(in: text) else { return nil }
    let utf8 = text.utf8
    var result = ""
    var copied = utf8.startIndex
    while true {
      let begin = utf8.index(utf8.startIndex, offsetBy: match.range.lowerBound)
      result += text[copied..<begin]
      result += try resolve(match).reveal()
      copied = utf8.index(utf8.startIndex, offsetBy: match.range.upperBound)
      guard let another = firstMatch(in: text, from: match.range.upperBound) else { break }
      match = another
    }
    result += text[copied...]
    return Redacted(result)
  }

  /// Where a match could begin at the earliest, judged by the byte that every one holds. Nil: there is none.
  private func firstPossible(_ bytes: Span<UInt8>, from start: Int) -> Int? {
    guard let anchor else { return start }
    // memchr looks at sixteen bytes and more at once; the buffer is only read and does not escape.
    let found: Int? = unsafe bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress,
        let place = unsafe memchr(base + start, Int32(anchor), buffer.count - start)
      else { return nil }
      return unsafe UnsafeRawPointer(place) - UnsafeRawPointer(base)
    }
    return found.map { max(start, $0 - automaton.longest) }
  }

  /// From rare to common in header values.
  private static let rareBytes: [UInt8] =
    Array("~_ZQXJKVYWBGPFHULMDCNRIOSATEzqjxkvywbgpfhulmdcnriosate0123456789-.".utf8)

  private static func isStandard(_ bytes: [UInt8]) -> Bool {
    let prefix = Array(PlaceholderNaming.prefix.utf8)
    return bytes.count > prefix.count && bytes.starts(with: prefix) && bytes.allSatisfy(isWord)
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (65...90).contains(byte) || (48...57).contains(byte) || byte == UInt8(ascii: "_")
  }
}
