import NIOCore

/// What a redirected connection speaks, by its first bytes.
enum FirstBytes: Hashable {
  /// Too few bytes to tell.
  case needsMore
  /// A TLS handshake record.
  case tls
  /// The first word of a request line.
  case http
  case other

  /// The longest method that is read as one.
  private static let longestMethod = 32

  /// Looks at the bytes from the start of a connection, consuming nothing.
  static func read(_ buffer: ByteBuffer) -> FirstBytes {
    let bytes = buffer.readableBytesUInt8Span
    guard bytes.count > 0 else { return .needsMore }
    if bytes[0] == 22 { return .tls }
    for index in 0..<min(bytes.count, longestMethod + 1) {
      let byte = bytes[index]
      if byte == UInt8(ascii: " ") { return index > 0 ? .http : .other }
      // Methods that agents use are of capital letters and dashes; `SSH-2.0` and its like end without a space.
      guard (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || byte == UInt8(ascii: "-") else { return .other }
    }
    return bytes.count > longestMethod ? .other : .needsMore
  }
}
