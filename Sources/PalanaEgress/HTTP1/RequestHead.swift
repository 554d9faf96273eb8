import NIOCore

/// A request head (RFC 9112 §3) that one reading only is possible of.
struct RequestHead {
  let fields: HeadFields
  let method: ByteRange
  let target: ByteRange
  /// 0 or 1.
  let minorVersion: UInt8
  let framing: MessageFraming
  /// Whether the client wants the connection kept.
  let keepsAlive: Bool
  /// Whether it waits for `100 Continue`.
  let expectsContinue: Bool

  /// Parses `bytes`, which end in the empty line.
  ///
  /// - Parameter reusing: storage for the fields of an earlier head.
  /// - Throws: ``HeadError``.
  init(_ bytes: ByteBuffer, limits: EgressLimits, reusing storage: consuming [HeadField] = []) throws(HeadError) {
    let (method, target, minorVersion, next) = try Self.requestLine(bytes, limits)
    let fields = try HeadFields(bytes, from: next, limit: limits.headerFields, reusing: storage)
    self.method = method
    self.target = target
    self.minorVersion = minorVersion
    framing = try fields.statedFraming(minorVersion: minorVersion) ?? .none
    var close = minorVersion == 0
    try fields.forEachElement(of: .connection) { element throws(HeadError) in
      if fields.equal(element, "close") { close = true }
    }
    keepsAlive = !close
    if let expect = try fields.single(.expect, "there are several expect fields") {
      guard fields.equal(expect.value, "100-continue") else { throw .malformed("the expectation is unknown") }
      expectsContinue = minorVersion == 1 && framing != .none
    } else {
      expectsContinue = false
    }
    self.fields = fields
  }

  private static func requestLine(
    _ bytes: ByteBuffer, _ limits: EgressLimits
  ) throws(HeadError) -> (ByteRange, ByteRange, UInt8, Int) {
    let span = bytes.readableBytesUInt8Span
    var position = 0
    while position < span.count, ByteClass.isToken(span[position]) { position += 1 }
    guard position > 0, position <= 32, position < span.count, span[position] == 32 else {
      throw .malformed("the request line has no method")
    }
    let method = ByteRange(0, position)
    position += 1
    let start = position
    while position < span.count, ByteClass.isTarget(span[position]) { position += 1 }
    guard position <= limits.requestLineBytes else { throw .tooLarge }
    guard position > start, position < span.count, span[position] == 32 else {
      throw .malformed("the request line has a malformed target")
    }
    let target = ByteRange(start, position)
    position += 1
    guard let minor = httpVersion(span, at: position), position + 10 <= span.count, span[position + 8] == 13 else {
      throw .malformed("the request line does not end in HTTP/1.0 or HTTP/1.1")
    }
    return (method, target, minor, position + 10)
  }
}

/// The minor version of `HTTP/1.0` or `HTTP/1.1` at `position`; nil for anything else.
func httpVersion(_ span: borrowing Span<UInt8>, at position: Int) -> UInt8? {
  let wanted: StaticString = "HTTP/1."
  guard span.count >= position + 8 else { return nil }
  for index in 0..<7 where span[position + index] != (unsafe wanted.utf8Start[index]) { return nil }
  let minor = span[position + 7]
  return minor == 48 || minor == 49 ? minor - 48 : nil
}
