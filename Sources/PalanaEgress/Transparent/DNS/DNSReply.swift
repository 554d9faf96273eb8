import NIOCore
import PalanaPolicy

/// An answer to one question. Every one of them fits into the 512 bytes of a datagram (RFC 1035 §2.3.4), so nothing is ever truncated.
struct DNSReply {
  enum Record: Hashable {
    /// IPv4, host byte order.
    case address(UInt32)
    case pointer(CanonicalHost)
  }

  var code = DNSCode.noError
  var record: Record?
  /// Why a name is refused, for agents that understand extended errors (RFC 8914).
  var denial: DenialReason?

  /// How long an agent may remember an answer, in seconds: rules change, and what is refused is never remembered.
  static let life: UInt32 = 30

  /// The prohibition of RFC 8914 §4.19.
  private static let prohibited: UInt16 = 18

  func write(to question: DNSQuestion, allocator: ByteBufferAllocator = ByteBufferAllocator()) -> ByteBuffer {
    var buffer = allocator.buffer(capacity: 512)
    buffer.writeInteger(question.id)
    // QR and RA, what the question said, and the lower four bits of the code.
    buffer.writeInteger(0x8080 | question.flags | code.rawValue & 15)
    buffer.writeMultipleIntegers(
      UInt16(question.section.isEmpty ? 0 : 1), UInt16(record == nil ? 0 : 1), UInt16(0), UInt16(question.hasEDNS ? 1 : 0))
    buffer.writeBytes(question.section)
    if let record { write(record, into: &buffer) }
    if question.hasEDNS { writeOptions(into: &buffer) }
    return buffer
  }

  private func write(_ record: Record, into buffer: inout ByteBuffer) {
    // The name is that of the question, which starts at byte 12.
    buffer.writeInteger(UInt16(0xc00c))
    switch record {
    case .address(let address): buffer.writeMultipleIntegers(DNSType.address, UInt16(1), Self.life, UInt16(4), address)
    case .pointer(let host):
      var name = ByteBuffer()
      for label in host.description.utf8.split(separator: UInt8(ascii: ".")) {
        name.writeInteger(UInt8(truncatingIfNeeded: label.count))
        name.writeBytes(label)
      }
      name.writeInteger(UInt8(0))
      buffer.writeMultipleIntegers(DNSType.pointer, UInt16(1), Self.life, UInt16(name.readableBytes))
      buffer.writeBuffer(&name)
    }
  }

  private func writeOptions(into buffer: inout ByteBuffer) {
    var options = ByteBuffer()
    if let denial {
      options.writeMultipleIntegers(UInt16(15), UInt16(2 + denial.rawValue.utf8.count), Self.prohibited)
      options.writeString(denial.rawValue)
    }
    // The largest datagram that is read, the upper bits of the code, version and flags.
    buffer.writeMultipleIntegers(
      UInt8(0), UInt16(41), UInt16(1232), UInt8(code.rawValue >> 4), UInt8(0), UInt16(0), UInt16(options.readableBytes))
    buffer.writeBuffer(&options)
  }
}
