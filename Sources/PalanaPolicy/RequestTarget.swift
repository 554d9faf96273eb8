/// The target of a request line (RFC 9112 §3.2) in its parts. CONNECT's is read by ``Authority/parse(connectTarget:)``.
package struct RequestTarget: Hashable, Sendable {
  /// The longest target in bytes.
  package static let longest = 32_768

  package enum Form: Hashable, Sendable {
    /// `/path?query`: inside a tunnel.
    case origin
    /// `http://host/path?query`: to a proxy.
    case absolute(EgressRequest.Scheme, Authority)
    /// `*`, only for OPTIONS.
    case asterisk
  }

  package let form: Form
  package let path: CanonicalPath
  /// What follows the first `?`, as it was sent; nil without one. Policy never looks at it.
  package let query: String?

  /// What is written into the request line to the upstream: the canonical path with the query.
  package var originForm: String {
    guard let query else { return path.description }
    return path.description + "?" + query
  }

  /// Reads a request target.
  ///
  /// - Throws: ``CanonicalizationError``.
  package static func parse(
    _ text: some StringProtocol, encodedSlashes: CanonicalPath.EncodedSlashes = .refused
  ) throws(CanonicalizationError) -> RequestTarget {
    try parse(string: String(text), encodedSlashes: encodedSlashes)
  }

  private static func parse(
    string text: String, encodedSlashes: CanonicalPath.EncodedSlashes
  ) throws(CanonicalizationError) -> RequestTarget {
    guard text.utf8.count <= longest else { throw .init(.targetTooLong) }
    switch text.utf8.first {
    case UInt8(ascii: "/"):
      let (path, query) = try split(text, encodedSlashes)
      return RequestTarget(form: .origin, path: path, query: query)
    case UInt8(ascii: "*") where text.utf8.count == 1:
      return RequestTarget(form: .asterisk, path: CanonicalPath(unchecked: "*"), query: nil)
    default: return try absolute(text, encodedSlashes)
    }
  }

  private static func absolute(
    _ text: String, _ encodedSlashes: CanonicalPath.EncodedSlashes
  ) throws(CanonicalizationError) -> RequestTarget {
    let bytes = text.utf8
    guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { throw .init(.targetForm) }
    let afterColon = bytes[colon...].dropFirst()
    guard afterColon.starts(with: "//".utf8) else { throw .init(.targetForm) }
    let scheme: EgressRequest.Scheme
    switch text[..<colon].lowercased() {
    case "http": scheme = .http
    case "https": scheme = .https
    default: throw .init(.targetScheme)
    }
    let rest = afterColon.dropFirst(2)
    let end =
      rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }
      ?? rest.endIndex
    let authority = try Authority.parse(
      hostHeader: text[rest.startIndex..<end], defaultPort: scheme == .https ? 443 : 80)
    // An empty path is `/` (RFC 9110 §4.2.3).
    let tail = text[end...]
    let (path, query) = try split(tail.utf8.first == UInt8(ascii: "/") ? String(tail) : "/" + tail, encodedSlashes)
    return RequestTarget(form: .absolute(scheme, authority), path: path, query: query)
  }

  private static func split(
    _ text: String, _ encodedSlashes: CanonicalPath.EncodedSlashes
  ) throws(CanonicalizationError) -> (CanonicalPath, String?) {
    guard let mark = text.utf8.firstIndex(of: UInt8(ascii: "?")) else {
      return (try CanonicalPath.parse(text, encodedSlashes: encodedSlashes), nil)
    }
    let query = text[text.utf8.index(after: mark)...]
    for byte in query.utf8 {
      switch byte {
      case UInt8(ascii: "#"): throw .init(.fragment)
      case 0..<0x21, 0x7f: throw .init(.control)
      case 0x80...: throw .init(.notASCII)
      default: break
      }
    }
    return (try CanonicalPath.parse(text[..<mark], encodedSlashes: encodedSlashes), String(query))
  }
}
