import NIOCore

/// The first message of a TLS client (RFC 8446 §4.1.2), read only as far as the server name, before any TLS machinery is set up.
enum ClientHello {
  enum Reading: Hashable {
    /// The message is not complete.
    case needsMore
    /// These bytes are not a TLS handshake.
    case notTLS
    /// A TLS handshake, but broken.
    case malformed
    /// Complete. The name as it was sent; nil when the client named none.
    case complete(serverName: String?)
  }

  /// Records of one hello, with their headers. Real ones, even with post-quantum key shares, stay under four kilobytes.
  static let limit = 16_384 + 512

  /// Looks at the bytes from the start of a connection, consuming nothing.
  static func read(_ buffer: ByteBuffer) -> Reading {
    let bytes = buffer.readableBytesUInt8Span
    // A hello may be split over records; its pieces are put together here.
    var message: [UInt8] = []
    var position = 0
    while true {
      guard position < bytes.count else { return short(bytes.count) }
      guard bytes[position] == 22 else { return position == 0 ? .notTLS : .malformed }
      guard position + 1 < bytes.count else { return short(bytes.count) }
      guard bytes[position + 1] == 3 else { return position == 0 ? .notTLS : .malformed }
      guard position + 5 <= bytes.count else { return short(bytes.count) }
      let length = Int(bytes[position + 3]) << 8 | Int(bytes[position + 4])
      guard (1...16_384).contains(length) else { return .malformed }
      let available = min(length, bytes.count - position - 5)
      message.reserveCapacity(message.count + available)
      for index in 0..<available { message.append(bytes[position + 5 + index]) }
      if let type = message.first, type != 1 { return .malformed }
      if message.count >= 4 {
        let wanted = 4 + (Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3]))
        guard wanted <= limit else { return .malformed }
        if message.count >= wanted { return hello(message[4..<wanted]) }
      }
      guard available == length else { return short(bytes.count) }
      position += 5 + length
    }
  }

  private static func short(_ count: Int) -> Reading { count > limit ? .malformed : .needsMore }

  private static func hello(_ body: ArraySlice<UInt8>) -> Reading {
    var reader = Reader(bytes: body)
    // Version and random, session, cipher suites, compression.
    guard reader.skip(34), reader.vector(lengthBytes: 1) != nil, reader.vector(lengthBytes: 2) != nil,
      reader.vector(lengthBytes: 1) != nil
    else { return .malformed }
    if reader.bytes.isEmpty { return .complete(serverName: nil) }
    guard let extensions = reader.vector(lengthBytes: 2), reader.bytes.isEmpty else { return .malformed }
    var list = Reader(bytes: extensions)
    var name: String?
    while !list.bytes.isEmpty {
      guard let type = list.integer(2), let content = list.vector(lengthBytes: 2) else { return .malformed }
      guard type == 0 else { continue }
      guard name == nil, let found = serverName(content) else { return .malformed }
      name = found
    }
    return .complete(serverName: name)
  }

  /// The one host name of a server name extension (RFC 6066 §3).
  private static func serverName(_ content: ArraySlice<UInt8>) -> String? {
    var outer = Reader(bytes: content)
    guard let names = outer.vector(lengthBytes: 2), outer.bytes.isEmpty else { return nil }
    var list = Reader(bytes: names)
    guard list.integer(1) == 0, let name = list.vector(lengthBytes: 2), list.bytes.isEmpty, !name.isEmpty,
      name.allSatisfy(ByteClass.isTarget)
    else { return nil }
    return String(decoding: name, as: UTF8.self)
  }

  private struct Reader {
    var bytes: ArraySlice<UInt8>

    mutating func skip(_ count: Int) -> Bool {
      guard bytes.count >= count else { return false }
      bytes = bytes.dropFirst(count)
      return true
    }

    mutating func integer(_ count: Int) -> Int? {
      guard bytes.count >= count else { return nil }
      let value = bytes.prefix(count).reduce(0) { $0 << 8 | Int($1) }
      bytes = bytes.dropFirst(count)
      return value
    }

    mutating func vector(lengthBytes: Int) -> ArraySlice<UInt8>? {
      guard let count = integer(lengthBytes), bytes.count >= count else { return nil }
      defer { bytes = bytes.dropFirst(count) }
      return bytes.prefix(count)
    }
  }
}
