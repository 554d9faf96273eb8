import PalanaCore

/// A canonical host with a port.
package struct Authority: Hashable, Sendable, CustomStringConvertible {
  package let host: CanonicalHost
  package let port: UInt16

  package init(host: CanonicalHost, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// `api.github.com:443`, `[2001:db8::1]:443`.
  package var description: String {
    if case .address(.v6) = host.form { return "[\(host)]:\(port)" }
    return "\(host):\(port)"
  }
}

extension Authority {
  /// Reads the target of a CONNECT request (RFC 9110 §9.3.6): host and port, both required.
  ///
  /// - Throws: ``CanonicalizationError``.
  package static func parse(connectTarget text: some StringProtocol) throws(CanonicalizationError) -> Authority {
    try parse(String(text), defaultPort: nil)
  }

  /// Reads a `Host` or `:authority` field (RFC 9110 §7.2), whose port may be absent.
  ///
  /// - Throws: ``CanonicalizationError``; also for an empty field and an empty port (`host:`).
  package static func parse(
    hostHeader text: some StringProtocol, defaultPort: UInt16
  ) throws(CanonicalizationError) -> Authority {
    try parse(String(text), defaultPort: defaultPort)
  }

  static func parse(_ text: String, defaultPort: UInt16?) throws(CanonicalizationError) -> Authority {
    let bytes = text.utf8
    // Bounds the work before anything looks at the bytes: host, brackets, colon, five digits.
    guard bytes.count <= CanonicalHost.longestName + 9 else { throw .init(.tooLong) }
    guard let first = bytes.first else { throw .init(.empty) }
    let end: String.Index
    if first == UInt8(ascii: "[") {
      guard let close = bytes.firstIndex(of: UInt8(ascii: "]")) else { throw .init(.brackets) }
      end = bytes.index(after: close)
    } else {
      end = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.endIndex
    }
    if end == bytes.endIndex {
      let host = try CanonicalHost.parse(string: text)
      guard let defaultPort else { throw .init(.portMissing) }
      return Authority(host: host, port: defaultPort)
    }
    let host = try CanonicalHost.parse(string: String(text[..<end]))
    guard bytes[end] == UInt8(ascii: ":") else { throw .init(.brackets) }
    return Authority(host: host, port: try port(text[bytes.index(after: end)...]))
  }

  /// 1 to 65535 in decimal, without a sign, leading zeros or white space: one number has one spelling.
  private static func port(_ text: Substring) throws(CanonicalizationError) -> UInt16 {
    guard (1...5).contains(text.utf8.count), text.utf8.first != UInt8(ascii: "0") else { throw .init(.portMalformed) }
    var value = 0
    for byte in text.utf8 {
      guard (48...57).contains(byte) else { throw .init(.portMalformed) }
      value = value * 10 + Int(byte - 48)
    }
    guard let port = UInt16(exactly: value) else { throw .init(.portMalformed) }
    return port
  }
}
