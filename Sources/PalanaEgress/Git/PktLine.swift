import NIOCore

/// The framing of Git's protocols: four hexadecimal digits of length, then the contents (gitprotocol-common, pkt-line).
enum PktLine {
  /// What stands at a place in a buffer.
  enum Packet: Hashable {
    case flush
    /// Between the sections of a request of version 2.
    case delimiter
    /// The contents, as a range within the readable bytes; never empty.
    case data(Range<Int>)
  }

  /// The longest packet, its length included.
  static let longest = 65_520

  /// The packet at `position` of the readable bytes and the position after it; nil without all of its bytes.
  ///
  /// - Throws: ``GitSyntaxError`` for a length that no packet has.
  static func read(
    _ bytes: borrowing Span<UInt8>, at position: Int
  ) throws(GitSyntaxError) -> (packet: Packet, end: Int)? {
    guard bytes.count - position >= 4 else { return nil }
    var length = 0
    for offset in 0..<4 {
      guard let digit = ByteClass.hexadecimal(bytes[position + offset]) else { throw .framing }
      length = length << 4 | Int(digit)
    }
    switch length {
    case 0: return (.flush, position + 4)
    case 1: return (.delimiter, position + 4)
    case 5...longest:
      guard bytes.count - position >= length else { return nil }
      return (.data(position + 4..<position + length), position + length)
    // 2 ends a response, 3 is no length, an empty packet says nothing.
    default: throw .framing
    }
  }

  /// Writes one packet.
  static func write(_ contents: some Collection<UInt8>, into buffer: inout ByteBuffer) {
    let digits = String(min(contents.count, longest - 4) + 4, radix: 16)
    buffer.writeString(String(repeating: "0", count: 4 - digits.utf8.count))
    buffer.writeString(digits)
    buffer.writeBytes(contents.prefix(longest - 4))
  }
}

/// Why the body of a Git request cannot be read. It repeats nothing that was sent.
enum GitSyntaxError: Error, Hashable {
  case framing
  case command
  case refName
  /// Commands inside a signed certificate.
  case certificate
  case incomplete

  /// For people.
  var explanation: String {
    switch self {
    case .framing: "the body is not made of packets of Git's protocol"
    case .command: "a command of the push is malformed"
    case .refName: "the push names a ref in a way that Git does not allow"
    case .certificate: "signed pushes are not supported: their commands cannot be checked (git push --no-signed)"
    case .incomplete: "the body ends within the commands of the push"
    }
  }
}
