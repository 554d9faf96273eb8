import NIOCore
import NIOHPACK
import PalanaPolicy

/// A request of HTTP/2 in the one form that everything behind the edge reads: a head of HTTP/1.1 (RFC 9113 §8.3.1).
///
/// Whatever could be read in two ways on the way through HTTP/1.1 is refused here; the rest is left to ``RequestHead``.
struct HTTP2RequestHead {
  private(set) var bytes: ByteBuffer
  /// Extended CONNECT for a websocket (RFC 8441).
  private(set) var websocketKey: String?
  /// Whether the client reads trailers.
  private(set) var acceptsTrailers = false
  private(set) var contentLength: Int64?
  private(set) var isGRPC = false

  private var method: String?
  private var scheme: String?
  private var authority: String?
  private var path: String?
  private var proto: String?
  private var host: String?
  private var cookie: String?

  /// - Throws: ``Refusal``.
  init(_ headers: HPACKHeaders, endsStream: Bool, limits: EgressLimits) throws(Refusal) {
    var fields = ByteBufferAllocator().buffer(capacity: 512)
    bytes = fields
    var isPseudo = true
    var count = 0
    for (name, value, _) in headers {
      count += 1
      guard count <= limits.headerFields, fields.readableBytes <= limits.headerBytes else { throw Refusal(HeadError.tooLarge) }
      guard HTTP2Text.isValue(value) else { throw Self.malformed("a header field has a control character") }
      if name.utf8.first == UInt8(ascii: ":") {
        guard isPseudo else { throw Self.malformed("a pseudo-header stands after a field") }
        try take(pseudo: name, value)
        continue
      }
      isPseudo = false
      guard HTTP2Text.isName(name) else { throw Self.malformed("a header field has a malformed name") }
      switch name {
      case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "http2-settings":
        throw Self.malformed("a field of HTTP/1.1 connections stands in HTTP/2")
      case "host":
        guard host == nil else { throw Self.malformed("there are several Host fields") }
        host = value
        continue
      case "te":
        guard value == "trailers" else { throw Self.malformed("te says something else than trailers") }
        acceptsTrailers = true
        continue
      case "cookie":
        // Crumbs for better compression; HTTP/1.1 has one field (RFC 9113 §8.2.3).
        cookie = cookie.map { $0 + "; " + value } ?? value
        continue
      case "content-length": contentLength = Int64(value)
      case "content-type": isGRPC = value.hasPrefix("application/grpc")
      case "sec-websocket-key" where proto != nil: continue
      default: break
      }
      HTTP2Text.write(name, value, into: &fields)
    }
    if let cookie { HTTP2Text.write("cookie", cookie, into: &fields) }
    bytes = try head(fields, endsStream: endsStream)
    guard bytes.readableBytes <= limits.headerBytes else { throw Refusal(HeadError.tooLarge) }
  }

  private mutating func take(pseudo name: String, _ value: String) throws(Refusal) {
    switch name {
    case ":method": try Self.set(&method, value)
    case ":scheme": try Self.set(&scheme, value)
    case ":authority": try Self.set(&authority, value)
    case ":path": try Self.set(&path, value)
    case ":protocol": try Self.set(&proto, value)
    default: throw Self.malformed("there is an unknown pseudo-header")
    }
  }

  private static func set(_ place: inout String?, _ value: String) throws(Refusal) {
    guard place == nil else { throw malformed("a pseudo-header stands twice") }
    guard !value.isEmpty, value.utf8.allSatisfy(ByteClass.isTarget) else { throw malformed("a pseudo-header is malformed") }
    place = value
  }

  private mutating func head(_ fields: ByteBuffer, endsStream: Bool) throws(Refusal) -> ByteBuffer {
    guard let method else { throw Self.malformed("the method is missing") }
    if method == "CONNECT", proto == nil {
      throw Refusal(.protocolNotSupported, "there is no tunnel inside a tunnel")
    }
    guard let scheme, let path else { throw Self.malformed("a pseudo-header is missing") }
    guard scheme == "https" else { throw Self.malformed("the scheme is not that of the tunnel") }
    guard path == "*" || path.utf8.first == UInt8(ascii: "/") else { throw Self.malformed("the path is not one") }
    guard let authority = authority ?? host else { throw Self.malformed("the authority is missing") }
    guard host == nil || host == authority else {
      throw Refusal(.nameMismatch, "the Host field names another authority than the request")
    }
    if let proto {
      guard method == "CONNECT", proto == "websocket" else {
        throw Refusal(.protocolNotSupported, "the only protocol that CONNECT can start here is websocket")
      }
      guard !endsStream, contentLength == nil else { throw Self.malformed("a websocket has no body") }
      websocketKey = WebsocketKey.make()
    }
    if endsStream, let contentLength, contentLength != 0 { throw Self.malformed("the content-length is not that of the body") }
    var head = ByteBufferAllocator().buffer(capacity: fields.readableBytes + path.utf8.count + authority.utf8.count + 128)
    head.writeString(websocketKey == nil ? method : "GET")
    head.writeStaticString(" ")
    head.writeString(path)
    head.writeStaticString(" HTTP/1.1\r\n")
    HTTP2Text.write("host", authority, into: &head)
    if let websocketKey {
      head.writeStaticString("connection: upgrade\r\nupgrade: websocket\r\n")
      HTTP2Text.write("sec-websocket-key", websocketKey, into: &head)
    } else if !endsStream, contentLength == nil {
      head.writeStaticString("transfer-encoding: chunked\r\n")
    }
    head.writeImmutableBuffer(fields)
    head.writeStaticString("\r\n")
    return head
  }

  private static func malformed(_ explanation: String) -> Refusal { Refusal(.malformedRequest, explanation) }
}

/// Names and values of HTTP/2 fields.
enum HTTP2Text {
  /// A token without capital letters (RFC 9113 §8.2.1).
  static func isName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.allSatisfy { ByteClass.isToken($0) && ByteClass.lowercase($0) == $0 }
  }

  static func isValue(_ value: String) -> Bool {
    var last: UInt8 = 0
    for byte in value.utf8 {
      guard ByteClass.isFieldValue(byte) else { return false }
      last = byte
    }
    let first = value.utf8.first ?? 0
    return first != 32 && first != 9 && last != 32 && last != 9
  }

  static func write(_ name: String, _ value: String, into buffer: inout ByteBuffer) {
    buffer.writeString(name)
    buffer.writeStaticString(": ")
    buffer.writeString(value)
    buffer.writeStaticString("\r\n")
  }
}
