import CRE2
import NIOCore
package import PalanaCore

/// What must not be in a prompt, as an expression of RE2, and the name that stands in its place. A search takes time that is linear in the
/// text, whoever wrote it.
@safe package final class RedactionPattern: Sendable {
  /// Lower-case letters, digits and dashes.
  package let name: String
  // Compiled once and only searched with afterwards, which RE2 allows from many threads.
  private nonisolated(unsafe) let code: OpaquePointer

  /// - Throws: ``PalanaError`` with code `invalid`.
  package init(name: String, pattern: String) throws(PalanaError) {
    let isName =
      (1...63).contains(name.utf8.count)
      && name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") }
    guard isName else {
      throw PalanaError(.invalid, "‘\(name.prefix(80))’ is not the name of a pattern", hint: "lower-case letters, digits and dashes")
    }
    guard (1...4_096).contains(pattern.utf8.count) else { throw PalanaError(.invalid, "\(name): an expression has 1 to 4096 bytes") }
    var problem = [CChar](repeating: 0, count: 256)
    let text = Array(pattern.utf8)
    let code = unsafe text.withUnsafeBytes { bytes in
      unsafe problem.withUnsafeMutableBufferPointer { problem in
        unsafe palana_re2_new(bytes.assumingMemoryBound(to: CChar.self).baseAddress, bytes.count, problem.baseAddress, problem.count)
      }
    }
    guard let code = unsafe code else {
      let words = String(decoding: problem.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      throw PalanaError(.invalid, "\(name): the expression is wrong: \(words)", hint: "the syntax is that of RE2")
    }
    self.name = name
    unsafe self.code = code
  }

  deinit { unsafe palana_re2_free(code) }

  /// A search that did not end in its time.
  struct TooLong: Error, Hashable {
    var name: String
  }

  /// Where the expression fits, from left to right; the places do not overlap. Where it fits nothing, it does not.
  ///
  /// - Parameters:
  ///   - text: UTF-8.
  ///   - deadline: looked at between two places.
  func ranges(in text: [UInt8], before deadline: NIODeadline) throws(TooLong) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var start = 0
    while start < text.count {
      // Every look may go to the end of the text.
      guard NIODeadline.now() < deadline else { throw TooLong(name: name) }
      guard let range = find(in: text, from: start) else { break }
      if range.isEmpty {
        start = range.upperBound + 1
      } else {
        ranges.append(range)
        start = range.upperBound
      }
    }
    return ranges
  }

  private func find(in text: [UInt8], from start: Int) -> Range<Int>? {
    var (from, to) = (0, 0)
    // The bytes are only read, within their count.
    let isFound = unsafe text.withUnsafeBytes { bytes in
      unsafe palana_re2_find(code, bytes.assumingMemoryBound(to: CChar.self).baseAddress, bytes.count, start, &from, &to)
    }
    return isFound == 1 && start <= from && from <= to && to <= text.count ? from..<to : nil
  }
}
