import NIOCore

/// A response head (RFC 9112 §4), read as strictly as a request: an upstream may be hostile too.
struct ResponseHead {
  private(set) var fields: HeadFields
  let status: Int
  /// 0 or 1.
  let minorVersion: UInt8
  /// The reason phrase; may be empty.
  let phrase: ByteRange
  let framing: MessageFraming
  let keepsAlive: Bool

  /// Parses `bytes`, which end in the empty line.
  ///
  /// - Parameter isHead: whether the request was HEAD: the body is absent whatever the fields say.
  /// - Throws: ``HeadError``.
  init(
    _ bytes: ByteBuffer, isHead: Bool, limits: EgressLimits, reusing storage: consuming [HeadField] = []
  ) throws(HeadError) {
    let (minorVersion, status, phrase, next) = try Self.statusLine(bytes)
    let fields = try HeadFields(bytes, from: next, limit: limits.headerFields, reusing: storage)
    self.minorVersion = minorVersion
    self.status = status
    self.phrase = phrase
    let stated = try fields.statedFraming(minorVersion: minorVersion)
    if status < 200 || status == 204 || status == 304 || isHead {
      framing = .none
    } else {
      framing = stated ?? .untilClose
    }
    var close = minorVersion == 0 || framing == .untilClose
    try fields.forEachElement(of: .connection) { element throws(HeadError) in
      if fields.equal(element, "close") { close = true }
    }
    keepsAlive = !close
    self.fields = fields
  }

  /// The same head over other bytes of the same layout.
  func replacing(_ bytes: ByteBuffer) -> ResponseHead {
    var head = self
    head.fields = fields.replacing(bytes)
    return head
  }

  private static func statusLine(_ bytes: ByteBuffer) throws(HeadError) -> (UInt8, Int, ByteRange, Int) {
    let span = bytes.readableBytesUInt8Span
    guard let minor = httpVersion(span, at: 0), span.count > 13, span[8] == 32 else {
      throw .malformed("the status line does not start with HTTP/1.0 or HTTP/1.1")
    }
    var status = 0
    for index in 9..<12 {
      guard ByteClass.isDigit(span[index]) else { throw .malformed("the status is not a number") }
      status = status * 10 + Int(span[index] - 48)
    }
    guard (100...599).contains(status) else { throw .malformed("the status is out of range") }
    var position = 12
    // The space before an empty phrase is required, and often left out.
    if span[position] == 32 {
      position += 1
    } else if span[position] != 13 {
      throw .malformed("the status is not a number")
    }
    let start = position
    while position < span.count, ByteClass.isFieldValue(span[position]) { position += 1 }
    guard position + 1 < span.count, span[position] == 13, span[position + 1] == 10 else {
      throw .malformed("the status line has a control character")
    }
    return (minor, status, ByteRange(start, position), position + 2)
  }
}
