import NIOCore
import NIOHPACK

/// From the fields of a head of HTTP/1.1 to those of HTTP/2, and back for trailers.
enum HTTP2Fields {
  /// The response head that the agent gets.
  ///
  /// - Parameter status: as the agent gets it.
  static func response(_ head: ResponseHead, status: Int, length: ContentLength, isWebsocket: Bool = false) -> HPACKHeaders {
    let fields = head.fields
    var headers = HPACKHeaders()
    headers.reserveCapacity(fields.fields.count + 2)
    headers.add(name: ":status", value: String(status))
    let named = HeaderPolicy.connectionNames(fields)
    for field in fields.fields where ClientHead.travels(field, in: fields, named: named) {
      if field.known == .contentLength {
        switch length {
        case .asStated: break
        case .left: continue
        }
      }
      let name = fields.lowerText(field.name)
      if isWebsocket, name == "sec-websocket-accept" { continue }
      headers.add(name: name, value: fields.text(field.value))
    }
    return headers
  }

  /// The request head that the upstream gets, from the one that was written for it. A websocket becomes an extended CONNECT
  /// (RFC 8441 §5).
  static func request(_ head: RequestHead, scheme: String, acceptsTrailers: Bool) -> HPACKHeaders {
    let fields = head.fields
    var headers = HPACKHeaders()
    headers.reserveCapacity(fields.fields.count + 4)
    let isWebsocket = fields.fields.contains { $0.known == .upgrade }
    headers.add(name: ":method", value: isWebsocket ? "CONNECT" : fields.text(head.method))
    if isWebsocket { headers.add(name: ":protocol", value: "websocket") }
    headers.add(name: ":scheme", value: scheme)
    if let host = fields.fields.first(where: { $0.known == .host }) {
      headers.add(name: ":authority", value: fields.text(host.value))
    }
    headers.add(name: ":path", value: fields.text(head.target))
    for field in fields.fields {
      let name = fields.lowerText(field.name)
      switch field.known {
      case .host, .connection, .transferEncoding, .upgrade, .te: continue
      // What is worth guessing does not go into a table whose size can be observed.
      case .authorization: headers.add(name: name, value: fields.text(field.value), indexing: .neverIndexed)
      // The handshake of HTTP/1.1 has keys, that of HTTP/2 has not.
      case .other where isWebsocket && name == "sec-websocket-key": continue
      default: headers.add(name: name, value: fields.text(field.value))
      }
    }
    if acceptsTrailers { headers.add(name: "te", value: "trailers") }
    return headers
  }

  enum ContentLength {
    case asStated
    case left
  }

  /// Trailers, without any that would mean something to the framing or to who is asking.
  static func trailers(_ fields: HeadFields) -> HPACKHeaders {
    var headers = HPACKHeaders()
    for field in fields.fields where field.known == .other {
      headers.add(name: fields.lowerText(field.name), value: fields.text(field.value))
    }
    return headers
  }

  /// Trailers that came, as strict as fields of a head.
  /// - Throws: ``HeadError``.
  static func trailers(_ headers: HPACKHeaders, limits: EgressLimits) throws(HeadError) -> HeadFields {
    var bytes = ByteBufferAllocator().buffer(capacity: 256)
    for (name, value, _) in headers {
      guard HTTP2Text.isName(name), HTTP2Text.isValue(value) else { throw .malformed("a trailer is malformed") }
      HTTP2Text.write(name, value, into: &bytes)
      guard bytes.readableBytes <= limits.headerBytes else { throw .tooLarge }
    }
    bytes.writeStaticString("\r\n")
    return try HeadFields(bytes, from: 0, limit: limits.headerFields, reusing: [])
  }
}
