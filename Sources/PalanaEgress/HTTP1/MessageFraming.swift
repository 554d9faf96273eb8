import NIOCore

/// How the body of a message ends (RFC 9112 §6).
enum MessageFraming: Hashable, Sendable {
  case none
  case length(Int64)
  case chunked
  /// Until the connection closes; only responses.
  case untilClose
}

extension HeadFields {
  /// The framing that the fields state, or nil when they state none.
  ///
  /// Everything that was ever used to make two parsers disagree is refused: both a length and an encoding, several or
  /// malformed lengths, any encoding but one `chunked`, an encoding in HTTP/1.0.
  func statedFraming(minorVersion: UInt8) throws(HeadError) -> MessageFraming? {
    let length = try single(.contentLength, "there are several content-length fields")
    let encoding = try single(.transferEncoding, "there are several transfer-encoding fields")
    if let encoding {
      guard length == nil else { throw .malformed("there are both content-length and transfer-encoding") }
      guard minorVersion == 1 else { throw .malformed("transfer-encoding in HTTP/1.0") }
      guard equal(encoding.value, "chunked") else { throw .malformed("the transfer-encoding is not chunked") }
      return .chunked
    }
    guard let length else { return nil }
    let span = bytes.readableBytesUInt8Span
    guard (1...18).contains(length.value.count) else { throw .malformed("the content-length is malformed") }
    var value: Int64 = 0
    for index in length.value.range {
      guard ByteClass.isDigit(span[index]) else { throw .malformed("the content-length is malformed") }
      value = value * 10 + Int64(span[index] - 48)
    }
    return .length(value)
  }
}
