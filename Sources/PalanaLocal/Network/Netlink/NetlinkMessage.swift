import CLinux

/// One message to the kernel in the making: a header, a fixed part, and attributes, each padded to four bytes. Numbers are in
/// the machine's byte order unless a function says otherwise.
struct NetlinkMessage: Sendable {
  /// The whole message; the length and the sequence number are filled in by ``finished(sequence:flags:)``.
  private(set) var bytes: [UInt8]
  /// Flags of the header, such as `CLNET_F_CREATE`.
  let flags: Int

  /// - Parameters:
  ///   - type: the kernel's number of the message.
  ///   - flags: beside `CLNET_F_REQUEST`, which is always set.
  ///   - fixed: the structure that follows the header.
  init(_ type: Int, flags: Int = 0, fixed: [UInt8]) {
    self.flags = flags | CLNET_F_REQUEST
    bytes = []
    bytes.reserveCapacity(256)
    bytes.appendNative(UInt32(0))
    bytes.appendNative(UInt16(truncatingIfNeeded: type))
    bytes.append(contentsOf: [UInt8](repeating: 0, count: 10))
    bytes.append(contentsOf: fixed)
    bytes.padToFour()
  }

  /// Adds an attribute with these bytes, 65,531 at most.
  mutating func add(_ attribute: Int, _ value: [UInt8]) {
    bytes.appendNative(UInt16(truncatingIfNeeded: 4 + value.count))
    bytes.appendNative(UInt16(truncatingIfNeeded: attribute))
    bytes.append(contentsOf: value)
    bytes.padToFour()
  }

  /// Adds a 32-bit number in the machine's byte order.
  mutating func add(_ attribute: Int, native value: UInt32) { add(attribute, .native(value)) }

  /// Adds a 32-bit number in network byte order, as IPv4 addresses and all of nftables have it.
  mutating func add(_ attribute: Int, network value: UInt32) { add(attribute, .network(value)) }

  /// Adds a text that ends with a zero byte.
  mutating func add(_ attribute: Int, text: String) { add(attribute, Array(text.utf8) + [0]) }

  /// Adds an attribute whose value is what `body` adds.
  mutating func nest(_ attribute: Int, _ body: (inout NetlinkMessage) -> Void) {
    let start = bytes.count
    bytes.append(contentsOf: [0, 0, 0, 0])
    body(&self)
    let nested: UInt16 = 0x8000
    bytes.replaceNative(at: start, UInt16(truncatingIfNeeded: bytes.count - start))
    bytes.replaceNative(at: start + 2, UInt16(truncatingIfNeeded: attribute) | nested)
  }

  /// Adds bytes without an attribute around them.
  mutating func addFixed(_ value: [UInt8]) {
    bytes.append(contentsOf: value)
    bytes.padToFour()
  }

  /// The message as it is sent.
  func finished(sequence: UInt32, flags extra: Int = 0) -> [UInt8] {
    var result = bytes
    result.replaceNative(at: 0, UInt32(truncatingIfNeeded: result.count))
    result.replaceNative(at: 6, UInt16(truncatingIfNeeded: flags | extra))
    result.replaceNative(at: 8, sequence)
    return result
  }
}

extension [UInt8] {
  /// The bytes of a number in the machine's order.
  static func native<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
    var result: [UInt8] = []
    result.appendNative(value)
    return result
  }

  /// The bytes of a number, the most significant first.
  static func network<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] { native(value.bigEndian) }

  mutating func appendNative<Number: FixedWidthInteger>(_ value: Number) {
    let isLittleEndian = UInt16(1).littleEndian == 1
    for index in 0..<(Number.bitWidth / 8) {
      let shift = isLittleEndian ? index * 8 : Number.bitWidth - 8 - index * 8
      append(UInt8(truncatingIfNeeded: value >> Number(shift)))
    }
  }

  fileprivate mutating func replaceNative<Number: FixedWidthInteger>(at offset: Int, _ value: Number) {
    replaceSubrange(offset..<(offset + Number.bitWidth / 8), with: Self.native(value))
  }

  fileprivate mutating func padToFour() {
    while count % 4 != 0 { append(0) }
  }
}
