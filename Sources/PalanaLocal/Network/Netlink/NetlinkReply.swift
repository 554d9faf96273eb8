import CLinux

/// One message from the kernel. Reading never goes past its end: a message that is shorter than it says ends early.
struct NetlinkReply: Sendable {
  let type: Int
  let flags: Int
  let sequence: UInt32
  /// What follows the header.
  let payload: ArraySlice<UInt8>

  /// The attributes that follow a fixed part of `size` bytes.
  func attributes(after size: Int) -> NetlinkAttributes {
    NetlinkAttributes(payload.dropFirst((size + 3) & ~3))
  }

  /// The messages of one datagram.
  static func parse(_ datagram: [UInt8]) -> [NetlinkReply] {
    var result: [NetlinkReply] = []
    var rest = datagram[...]
    while rest.count >= 16 {
      let length = Int(rest.native(UInt32.self, at: 0))
      guard length >= 16, length <= rest.count else { break }
      result.append(
        NetlinkReply(
          type: Int(rest.native(UInt16.self, at: 4)), flags: Int(rest.native(UInt16.self, at: 6)),
          sequence: rest.native(UInt32.self, at: 8), payload: rest.dropFirst(16).prefix(length - 16)))
      rest = rest.dropFirst((length + 3) & ~3)
    }
    return result
  }
}

/// The attributes of a message by number; of two with one number the last counts.
struct NetlinkAttributes: Sendable {
  private var values: [Int: ArraySlice<UInt8>] = [:]
  /// In the kernel's order, for lists whose members all have one number.
  private(set) var list: [ArraySlice<UInt8>] = []

  init(_ bytes: ArraySlice<UInt8>) {
    var rest = bytes
    while rest.count >= 4 {
      let length = Int(rest.native(UInt16.self, at: 0))
      guard length >= 4, length <= rest.count else { break }
      let value = rest.dropFirst(4).prefix(length - 4)
      // The two highest bits say "nested" and "network byte order".
      values[Int(rest.native(UInt16.self, at: 2) & 0x3fff)] = value
      list.append(value)
      rest = rest.dropFirst((length + 3) & ~3)
    }
  }

  subscript(_ attribute: Int) -> ArraySlice<UInt8>? { values[attribute] }

  /// The attributes inside an attribute; none when it is absent.
  func nested(_ attribute: Int) -> NetlinkAttributes { NetlinkAttributes(values[attribute] ?? []) }

  /// A text without its closing zero.
  func text(_ attribute: Int) -> String? {
    values[attribute].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// A 32-bit number in the machine's byte order.
  func native(_ attribute: Int) -> UInt32? {
    values[attribute].flatMap { $0.count == 4 ? $0.native(UInt32.self, at: 0) : nil }
  }

  /// A number in network byte order.
  func network<Number: FixedWidthInteger>(_ attribute: Int, as type: Number.Type) -> Number? {
    values[attribute].flatMap { $0.count == Number.bitWidth / 8 ? $0.native(type, at: 0).bigEndian : nil }
  }
}

extension ArraySlice<UInt8> {
  /// The number at `offset` from the slice's start in the machine's byte order; missing bytes count as zero.
  func native<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) -> Number {
    let isLittleEndian = UInt16(1).littleEndian == 1
    let size = Number.bitWidth / 8
    var value: Number = 0
    for index in 0..<size where startIndex + offset + index < endIndex {
      let shift = isLittleEndian ? index * 8 : Number.bitWidth - 8 - index * 8
      value |= Number(truncatingIfNeeded: self[startIndex + offset + index]) << Number(shift)
    }
    return value
  }
}
