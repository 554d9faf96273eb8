/// A path in the one form that policy judges and the upstream receives.
///
/// Rules, RFC 3986 §6.2.2 as far as it is safe: percent-encoded unreserved characters are decoded, the digits of other
/// encodings become upper case, and `.` segments are dropped (apt asks flat repositories for `/./Packages`). What two
/// parsers read differently is refused instead of repaired: encoded separators (`%2F`, `%5C`, also doubly encoded), encoded
/// dots, raw backslashes, control characters, `..` segments, and `.` segments that are not plainly one (`.;x`, `.%2F`).
/// Empty segments (`//`) and parameters (`;x=1`) are kept and travel as they are; because some servers drop them, rules look
/// at ``lenientReading(of:)`` and never allow what one of the readings would not be allowed.
package struct CanonicalPath: Hashable, Sendable, CustomStringConvertible {
  /// What to do with `%2F` in a path.
  package enum EncodedSlashes: Hashable, Sendable {
    /// The request is malformed.
    case refused
    /// Kept as `%2F`; rules judge it both as it is and as a slash. For upstreams whose names hold a slash
    /// (scoped npm packages, GitLab projects).
    case kept
  }

  /// Starts with `/`, or is `*` (the asterisk form of OPTIONS).
  package let description: String

  init(unchecked text: String) { description = text }

  /// Reads a path without query.
  ///
  /// - Throws: ``CanonicalizationError``.
  package static func parse(
    _ text: some StringProtocol, encodedSlashes: EncodedSlashes = .refused
  ) throws(CanonicalizationError) -> CanonicalPath {
    CanonicalPath(unchecked: try canonical(String(text), encodedSlashes: encodedSlashes))
  }

  static func canonical(
    _ text: String, encodedSlashes: EncodedSlashes
  ) throws(CanonicalizationError) -> String {
    let bytes = text.utf8
    guard bytes.count <= RequestTarget.longest else { throw .init(.targetTooLong) }
    guard bytes.first == UInt8(ascii: "/") else { throw .init(.targetForm) }
    var dots = 0  // length of the segment so far if it is only dots, else -1
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "%"): return try rewritten(withoutDotSegments(bytes), encodedSlashes)
      case UInt8(ascii: "/") where dots == 1:
        return try canonical(String(decoding: withoutDotSegments(bytes), as: UTF8.self), encodedSlashes: encodedSlashes)
      case UInt8(ascii: "/"), UInt8(ascii: ";"):
        if dots == 1 || dots == 2 { throw .init(.dotSegment) }
        dots = byte == UInt8(ascii: "/") ? 0 : -1
      case UInt8(ascii: "."): if dots >= 0 { dots += 1 }
      default:
        try check(byte)
        dots = -1
      }
    }
    if dots == 2 { throw .init(.dotSegment) }
    return dots == 1 ? String(text.dropLast()) : text
  }

  /// The path without its `.` segments (RFC 3986 §5.2.4); a last one leaves its slash. Only dots and slashes as they are count.
  private static func withoutDotSegments(_ bytes: String.UTF8View) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for byte in bytes {
      if byte == UInt8(ascii: "/"), result.suffix(2).elementsEqual("/.".utf8) {
        // This slash is the one before the dot.
        result.removeLast()
      } else {
        result.append(byte)
      }
    }
    if result.suffix(2).elementsEqual("/.".utf8) { result.removeLast() }
    return result
  }

  /// The slow path: the text has a percent sign.
  private static func rewritten(
    _ bytes: [UInt8], _ encodedSlashes: EncodedSlashes
  ) throws(CanonicalizationError) -> String {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var iterator = bytes.makeIterator()
    while let byte = iterator.next() {
      guard byte == UInt8(ascii: "%") else {
        try check(byte)
        result.append(byte)
        continue
      }
      guard let high = iterator.next().flatMap(hexadecimal), let low = iterator.next().flatMap(hexadecimal) else {
        throw .init(.percentEncoding)
      }
      let value = high << 4 | low
      switch value {
      case UInt8(ascii: "/") where encodedSlashes == .kept: break
      // C0 and C1 stand in no UTF-8: they begin the overlong spellings of `/` and `.` that careless decoders accept.
      case UInt8(ascii: "/"), UInt8(ascii: "\\"), UInt8(ascii: "."), 0..<0x20, 0x7f, 0xc0, 0xc1:
        throw .init(.encodedSeparator)
      case _ where isUnreserved(value):
        result.append(value)
        continue
      default: break
      }
      result.append(UInt8(ascii: "%"))
      result.append(digit(high))
      result.append(digit(low))
    }
    try checkSegments(result)
    return String(decoding: result, as: UTF8.self)
  }

  /// Refuses dot segments and doubly encoded separators in text whose encodings are normalised already.
  private static func checkSegments(_ bytes: [UInt8]) throws(CanonicalizationError) {
    var dots = 0
    var index = 0
    while index < bytes.count {
      var byte = bytes[index]
      if byte == UInt8(ascii: "%") {
        // `%252e` reaches a server that decodes twice as `.`; the second pair need not be upper case.
        if bytes[index + 1] == UInt8(ascii: "2"), bytes[index + 2] == UInt8(ascii: "5"), index + 4 < bytes.count,
          let high = hexadecimal(bytes[index + 3]), let low = hexadecimal(bytes[index + 4])
        {
          let value = high << 4 | low
          if value < 0x20 || value == 0x25 || value == 0x7f || ".\\/".utf8.contains(value) {
            throw .init(.encodedSeparator)
          }
        }
        byte = bytes[index + 1] == UInt8(ascii: "2") && bytes[index + 2] == UInt8(ascii: "F") ? UInt8(ascii: "/") : 0
        index += 2
      }
      switch byte {
      case UInt8(ascii: "/"), UInt8(ascii: ";"):
        if dots == 1 || dots == 2 { throw .init(.dotSegment) }
        dots = byte == UInt8(ascii: "/") ? 0 : -1
      case UInt8(ascii: "."): if dots >= 0 { dots += 1 }
      default: dots = -1
      }
      index += 1
    }
    if dots == 1 || dots == 2 { throw .init(.dotSegment) }
  }

  @inline(__always)
  private static func check(_ byte: UInt8) throws(CanonicalizationError) {
    switch byte {
    case UInt8(ascii: "\\"): throw .init(.backslash)
    case UInt8(ascii: "#"): throw .init(.fragment)
    case UInt8(ascii: "?"): throw .init(.targetForm)
    case 0..<0x21, 0x7f: throw .init(.control)
    case 0x80...: throw .init(.notASCII)
    default: break
    }
  }

  static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte - 48
    case 65...70: byte - 55
    case 97...102: byte - 87
    default: nil
    }
  }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"): true
    default: false
    }
  }
}

extension CanonicalPath {
  /// The path as a lenient server reads it: runs of slashes as one, parameters dropped, `%2F` as a slash.
  ///
  /// Nil when that is the path itself, which is nearly always.
  static func lenientReading(of path: String) -> String? {
    var previous: UInt8 = 0
    var beforePrevious: UInt8 = 0
    var differs = false
    for byte in path.utf8 {
      if byte == UInt8(ascii: ";") || byte == UInt8(ascii: "/") && previous == byte
        || byte == UInt8(ascii: "F") && previous == UInt8(ascii: "2") && beforePrevious == UInt8(ascii: "%")
      {
        differs = true
        break
      }
      beforePrevious = previous
      previous = byte
    }
    guard differs else { return nil }
    var result: [UInt8] = []
    var parameter = false
    let bytes = Array(path.utf8)
    var index = 0
    while index < bytes.count {
      var byte = bytes[index]
      if byte == UInt8(ascii: "%"), index + 2 < bytes.count, bytes[index + 1] == UInt8(ascii: "2"),
        bytes[index + 2] == UInt8(ascii: "F")
      {
        byte = UInt8(ascii: "/")
        index += 2
      }
      index += 1
      if byte == UInt8(ascii: ";") { parameter = true }
      if byte == UInt8(ascii: "/") {
        parameter = false
        if result.last == byte { continue }
      }
      if !parameter { result.append(byte) }
    }
    let text = String(decoding: result, as: UTF8.self)
    return text == path ? nil : text
  }
}
