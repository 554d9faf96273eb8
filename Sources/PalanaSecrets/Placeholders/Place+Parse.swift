package import PalanaCore

extension PlaceholderBinding.Place {
  /// Reads `header:NAME`, `basic`, `query:NAME`, `path`, `body`, `websocket` or `aws-sigv4`.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func parse(_ text: String) throws(PalanaError) -> Self {
    switch text {
    case "basic": return .basic
    case "path": return .path
    case "body": return .body
    case "websocket": return .websocket
    case "aws-sigv4": return .awsSigV4
    default: break
    }
    if let name = suffix(of: text, after: "header:"), name.utf8.allSatisfy(isFieldNameByte) {
      let header = name.lowercased()
      guard !refusedHeaders.contains(header) else {
        throw PalanaError(
          .invalid, "a secret cannot stand in the header \(header)",
          hint: "this header says how the message travels; use authorization or the service's own header")
      }
      return .header(header)
    }
    if let name = suffix(of: text, after: "query:"), name.utf8.allSatisfy(PlaceholderRules.isToken) {
      return .query(name)
    }
    throw PalanaError(
      .invalid, "‘\(SecretNames.shown(text))’ is not a place in a request",
      hint: "places are header:NAME, basic, query:NAME, path, body, websocket and aws-sigv4")
  }

  /// The written form, which ``parse(_:)`` reads.
  package var text: String {
    switch self {
    case .header(let name): "header:\(name)"
    case .basic: "basic"
    case .query(let name): "query:\(name)"
    case .path: "path"
    case .body: "body"
    case .websocket: "websocket"
    case .awsSigV4: "aws-sigv4"
    }
  }

  /// Headers of the message's framing and routing: a value that the agent steers must never reach them.
  private static let refusedHeaders: Set<String> = [
    "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "expect", "keep-alive",
    "proxy-authorization", "proxy-connection", "proxy-authenticate", "content-type", "content-encoding",
  ]

  private static func suffix(of text: String, after prefix: String) -> String? {
    guard text.hasPrefix(prefix) else { return nil }
    let rest = text.dropFirst(prefix.count)
    return (1...64).contains(rest.utf8.count) ? String(rest) : nil
  }

  /// RFC 9110 §5.6.2 token characters.
  private static func isFieldNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}
