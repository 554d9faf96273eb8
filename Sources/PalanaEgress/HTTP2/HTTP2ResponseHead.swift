import NIOCore
import NIOHPACK

/// A response of HTTP/2 in the form of HTTP/1.1, as strict as a request (RFC 9113 §8.3.2).
enum HTTP2ResponseHead {
  /// - Throws: ``HeadError``.
  static func bytes(_ headers: HPACKHeaders, limits: EgressLimits) throws(HeadError) -> ByteBuffer {
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
        bytes.writeString(value)
        bytes.writeStaticString(" \r\n")
        continue
      }
      guard HTTP2Text.isName(name) else { throw .malformed("a header field has a malformed name") }
      switch name {
      case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
        throw .malformed("a field of HTTP/1.1 connections stands in HTTP/2")
      default: HTTP2Text.write(name, value, into: &bytes)
      }
      guard bytes.readableBytes <= limits.headerBytes else { throw .tooLarge }
    }
    guard !isFirst else { throw .malformed("the status is missing") }
    bytes.writeStaticString("\r\n")
    return bytes
  }
}
