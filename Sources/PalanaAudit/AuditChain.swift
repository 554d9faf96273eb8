import Crypto

/// The hash chain. A record's line is `{"seq":N,` + the event's members + `,"prevHash":"…","hash":"…"}`; its hash is the SHA-256
/// over the 32 bytes of the hash before and the bytes of that line without the `hash` member.
package enum AuditChain {
  /// One link: 32 bytes.
  package struct Hash: Hashable, Sendable, CustomStringConvertible {
    /// 32 bytes.
    package let bytes: [UInt8]

    /// What stands before the first record.
    package static let zero = Hash(known: [UInt8](repeating: 0, count: 32))

    fileprivate init(known bytes: [UInt8]) { self.bytes = bytes }

    /// Nil unless there are 32 bytes.
    package init?(_ bytes: some Collection<UInt8>) {
      guard bytes.count == 32 else { return nil }
      self.bytes = Array(bytes)
    }

    /// Nil unless these are 64 lower-case hexadecimal digits.
    package init?(hex: some Collection<UInt8>) {
      guard hex.count == 64 else { return nil }
      var bytes: [UInt8] = []
      var high: UInt8?
      for byte in hex {
        let digit: UInt8
        switch byte {
        case 48...57: digit = byte - 48
        case 97...102: digit = byte - 87
        default: return nil
        }
        if let first = high {
          bytes.append(first << 4 | digit)
          high = nil
        } else {
          high = digit
        }
      }
      self.bytes = bytes
    }

    /// 64 hexadecimal digits.
    package func appendHex(to buffer: inout [UInt8]) {
      for byte in bytes {
        buffer.append(byte >> 4 < 10 ? 48 + (byte >> 4) : 87 + (byte >> 4))
        buffer.append(byte & 15 < 10 ? 48 + (byte & 15) : 87 + (byte & 15))
      }
    }

    package var description: String {
      var buffer: [UInt8] = []
      appendHex(to: &buffer)
      return String(decoding: buffer, as: UTF8.self)
    }
  }

  /// Appends a record's line without its `hash` member and without the closing brace.
  /// - Parameter event: the event's own object, as ``AuditEncoder`` writes it.
  package static func appendOpenLine(
    seq: Int64, event: Span<UInt8>, previous: Hash, to buffer: inout [UInt8]
  ) {
    buffer.append(contentsOf: "{\"seq\":".utf8)
    AuditEncoder.integer(seq, &buffer)
    buffer.append(UInt8(ascii: ","))
    if event.count > 2 { unsafe event.extracting(1..<event.count - 1).withUnsafeBytes { unsafe buffer.append(contentsOf: $0) } }
    buffer.append(contentsOf: ",\"prevHash\":\"".utf8)
    previous.appendHex(to: &buffer)
    buffer.append(UInt8(ascii: "\""))
  }

  /// The hash of the record whose open line this is.
  package static func hash(previous: Hash, openLine: [UInt8]) -> Hash {
    var scratch = previous.bytes
    scratch.append(contentsOf: openLine)
    scratch.append(UInt8(ascii: "}"))
    return hash(of: scratch)
  }

  /// The hash of an event at its place.
  package static func hash(seq: Int64, event: [UInt8], previous: Hash) -> Hash {
    var scratch: [UInt8] = []
    return hash(seq: seq, event: event.span, previous: previous, scratch: &scratch)
  }

  /// The hash of an event at its place.
  /// - Parameter scratch: room that is used again, for who hashes many.
  package static func hash(
    seq: Int64, event: Span<UInt8>, previous: Hash, scratch: inout [UInt8]
  ) -> Hash {
    scratch.removeAll(keepingCapacity: true)
    scratch.append(contentsOf: previous.bytes)
    appendOpenLine(seq: seq, event: event, previous: previous, to: &scratch)
    scratch.append(UInt8(ascii: "}"))
    return hash(of: scratch)
  }

  private static func hash(of bytes: [UInt8]) -> Hash {
    var sha = SHA256()
    unsafe bytes.withUnsafeBytes { unsafe sha.update(bufferPointer: $0) }
    return unsafe sha.finalize().withUnsafeBytes { unsafe Hash(known: Array($0)) }
  }

  /// A record's whole line, without a line break.
  package static func line(seq: Int64, event: [UInt8], previous: Hash, hash: Hash) -> [UInt8] {
    var line: [UInt8] = []
    appendOpenLine(seq: seq, event: event.span, previous: previous, to: &line)
    line.append(contentsOf: ",\"hash\":\"".utf8)
    hash.appendHex(to: &line)
    line.append(contentsOf: "\"}".utf8)
    return line
  }
}
