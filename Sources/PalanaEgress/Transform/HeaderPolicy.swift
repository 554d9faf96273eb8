import NIOCore
import PalanaPolicy

/// Which header fields may travel, and which make a request unacceptable.
enum HeaderPolicy {
  /// Refuses fields that would change what the upstream understands, past what policy judged.
  static func check(_ head: RequestHead) throws(Refusal) {
    for field in head.fields.fields where field.known == .methodOverride {
      throw Refusal(.methodNotAllowed, "the request asks to be treated as another method; use that method itself")
    }
    do {
      // A field that is listed in Connection is removed at the next hop: with it a client could take away what
      // the gateway, or the upstream's own defence, relies on.
      try head.fields.forEachElement(of: .connection) { element throws(HeadError) in
        let name = FieldName(head.fields.bytes.readableBytesUInt8Span.extracting(element.range))
        switch name {
        case .host, .authorization, .contentLength, .transferEncoding, .proxyAuthorization, .connection, .expect:
          throw .malformed("the Connection field names a field that must reach the upstream")
        default: break
        }
      }
    } catch {
      throw Refusal(error)
    }
  }

  /// Whether the request asks for a websocket (RFC 6455 §4.1). Any other upgrade is left out of the forwarded request, so
  /// that cleartext HTTP/2 or the like never starts.
  static func isWebsocket(_ head: RequestHead, method: String?) throws(Refusal) -> Bool {
    do {
      guard let upgrade = try head.fields.single(.upgrade, "there are several upgrade fields") else { return false }
      var asks = false
      try head.fields.forEachElement(of: .connection) { element throws(HeadError) in
        if head.fields.equal(element, "upgrade") { asks = true }
      }
      return asks && method == "GET" && head.minorVersion == 1 && head.framing == .none
        && head.fields.equal(upgrade.value, "websocket")
    } catch {
      throw Refusal(error)
    }
  }

  /// The names in the Connection fields, lower-case, without those that mean the connection itself.
  static func connectionNames(_ fields: HeadFields) -> [String] {
    var names: [String] = []
    // The lists were read once already, so nothing is thrown here.
    try? fields.forEachElement(of: .connection) { element throws(HeadError) in
      let name = fields.text(element).lowercased()
      if name != "close", name != "keep-alive", name != "upgrade" { names.append(name) }
    }
    return names
  }
}
