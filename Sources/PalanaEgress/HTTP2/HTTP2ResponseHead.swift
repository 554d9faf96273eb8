import NIOCore
import NIOHPACK

/// A response of HTTP/2 in the form of HTTP/1.1, as strict as a request (RFC 9113 §8.3.2).
enum HTTP2ResponseHead {
  /// - Parameter websocketKey: of the handshake that this answers, if it is one: a success is the switch of protocols that HTTP/1.1 has
  ///   for it (RFC 8441 §5).
  /// - Throws: ``HeadError``.
  static func bytes(_ headers: HPACKHeaders, limits: EgressLimits, websocketKey: String? = nil) throws(HeadError) -> ByteBuffer {
    var websocketKey = websocketKey
    var bytes = ByteBufferAllocator().buffer(capacity: 512)
    var isFirst = true
    for (name, value, _) in headers {
      guard HTTP2Text.isValue(value) else { throw .malformed("a header field has a control character") }
      guard !isFirst else {
        isFirst = false
        guard name == ":status", value.utf8.count == 3, value.utf8.allSatisfy(ByteClass.isDigit) else {
          throw .malformed("the status is missing")
        }
        bytes.writeStaticString("HTTP/1.1 ")
        if !value.hasPrefix("2") { websocketKey = nil }
        bytes.writeString(websocketKey == nil ? value : "101")
        bytes.writeStaticString(" \r\n")
        if let websocketKey {
          bytes.writeStaticString("connection: upgrade\r\nupgrade: websocket\r\n")
          HTTP2Text.write("sec-websocket-accept", WebsocketKey.accept(websocketKey), into: &bytes)
        }
        continue
      }
      guard HTTP2Text.isName(name) else { throw .malformed("a header field has a malformed name") }
      switch name {
      case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
        throw .malformed("a field of HTTP/1.1 connections stands in HTTP/2")
      case "content-length" where websocketKey != nil, "sec-websocket-accept" where websocketKey != nil: continue
      default: HTTP2Text.write(name, value, into: &bytes)
      }
      guard bytes.readableBytes <= limits.headerBytes else { throw .tooLarge }
    }
    guard !isFirst else { throw .malformed("the status is missing") }
    bytes.writeStaticString("\r\n")
    return bytes
  }
}
