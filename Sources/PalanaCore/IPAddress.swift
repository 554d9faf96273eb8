/// An IPv4 or IPv6 address as bytes, in one strict spelling.
package enum IPAddress: Hashable, Sendable, Comparable {
  /// Host byte order: `10.77.0.1` is `0x0a4d0001`.
  case v4(UInt32)
  /// The two halves in host byte order.
  case v6(UInt64, UInt64)

  /// Reads dotted-quad IPv4 (four decimal numbers without leading zeros) or IPv6 in RFC 4291 form, without a zone.
  /// Every other spelling (`0x7f.1`, `017700000001`, `127.1`) is refused: those are names to a resolver, and attacks here.
  package init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8)
    guard bytes.count <= 45 else { return nil }
    if bytes.contains(UInt8(ascii: ":")) {
      guard let value = Self.parseV6(bytes) else { return nil }
      self = value
    } else {
      guard let value = Self.parseV4(bytes[...]) else { return nil }
      self = .v4(value)
    }
  }

  private static func parseV4(_ bytes: ArraySlice<UInt8>) -> UInt32? {
    let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard (1...3).contains(part.count), part.count == 1 || part.first != 48 else { return nil }
      var number: UInt32 = 0
      for byte in part {
        guard (48...57).contains(byte) else { return nil }
        number = number * 10 + UInt32(byte - 48)
      }
      guard number <= 255 else { return nil }
      value = value << 8 | number
    }
    return value
  }

  private static func parseV6(_ bytes: [UInt8]) -> IPAddress? {
    func groups(_ part: ArraySlice<UInt8>, allowV4: Bool) -> [UInt16]? {
      if part.isEmpty { return [] }
      var result: [UInt16] = []
      let pieces = part.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
      for (index, piece) in pieces.enumerated() {
        if piece.contains(UInt8(ascii: ".")) {
          guard allowV4, index == pieces.count - 1, let v4 = parseV4(piece) else { return nil }
          result.append(UInt16(v4 >> 16))
          result.append(UInt16(truncatingIfNeeded: v4))
          continue
        }
        // `UInt16` alone would take a sign: `::-0` is no address.
        guard (1...4).contains(piece.count), piece.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
          let number = UInt16(String(decoding: piece, as: UTF8.self), radix: 16)
        else { return nil }
        result.append(number)
      }
      return result
    }
    var gap: Int?
    var index = 0
    while index + 1 < bytes.count {
      if bytes[index] == UInt8(ascii: ":"), bytes[index + 1] == UInt8(ascii: ":") {
        guard gap == nil else { return nil }
        gap = index
        index += 2
      } else {
        index += 1
      }
    }
    var all: [UInt16]
    if let gap {
      guard let head = groups(bytes[..<gap], allowV4: false), let tail = groups(bytes[(gap + 2)...], allowV4: true),
        head.count + tail.count <= 7
      else { return nil }
      all = head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    } else {
      guard let full = groups(bytes[...], allowV4: true), full.count == 8 else { return nil }
      all = full
    }
    let high = all[0..<4].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
    let low = all[4..<8].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
    return .v6(high, low)
  }

  package static func < (left: Self, right: Self) -> Bool {
    switch (left, right) {
    case (.v4(let a), .v4(let b)): a < b
    case (.v4, .v6): true
    case (.v6, .v4): false
    case (.v6(let a, let b), .v6(let c, let d)): (a, b) < (c, d)
    }
  }
}

extension IPAddress: CustomStringConvertible {
  /// Dotted quad, or RFC 5952 text.
  package var description: String {
    switch self {
    case .v4(let value):
      return "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    case .v6(let high, let low):
      let groups = (0..<8).map { index in
        UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> (UInt64(3 - index % 4) * 16))
      }
      var best = 0..<0
      var start = 0
      while start < 8 {
        guard groups[start] == 0 else {
          start += 1
          continue
        }
        var end = start
        while end < 8, groups[end] == 0 { end += 1 }
        if end - start > best.count, end - start > 1 { best = start..<end }
        start = end
      }
      func text(_ range: Range<Int>) -> String {
        groups[range].map { String($0, radix: 16) }.joined(separator: ":")
      }
      return best.isEmpty ? text(0..<8) : text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
    }
  }
}

extension IPAddress: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let address = IPAddress(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an IP address")
    }
    self = address
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// A range of addresses: `10.77.0.0/16`, `fe80::/10`, or a single address.
package struct CIDR: Hashable, Sendable, CustomStringConvertible {
  package let base: IPAddress
  /// Length of the prefix in bits.
  package let prefix: Int

  /// - Throws: ``PalanaError`` with code `invalid`; also when bits are set below the prefix, since that is mostly a slip.
  package init(_ text: String) throws(PalanaError) {
    func fail(_ why: String) -> PalanaError {
      PalanaError(.invalid, "‘\(text.prefix(60))’ is not an address range: \(why)")
    }
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = IPAddress(parts[0]) else { throw fail("the address is malformed") }
    let width =
      switch address {
      case .v4: 32
      case .v6: 128
      }
    var length = width
    if parts.count == 2 {
      // Digits only, without a leading zero: `-0`, `+8` and `08` are slips.
      guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), parts[1].utf8.count == 1 || parts[1].utf8.first != 48,
        let number = Int(parts[1]), (0...width).contains(number)
      else {
        throw fail("the prefix is 0 to \(width)")
      }
      length = number
    }
    base = address
    prefix = length
    guard Self.mask(address, length) == address else { throw fail("bits are set below the prefix") }
  }

  /// Whether `address` is in the range; never across families.
  package func contains(_ address: IPAddress) -> Bool { Self.mask(address, prefix) == base }

  private static func mask(_ address: IPAddress, _ length: Int) -> IPAddress {
    switch address {
    case .v4(let value):
      return .v4(length == 0 ? 0 : value & (UInt32.max << UInt32(32 - min(length, 32))))
    case .v6(let high, let low):
      let highMask = length >= 64 ? UInt64.max : (length == 0 ? 0 : UInt64.max << UInt64(64 - length))
      let lowMask = length <= 64 ? 0 : UInt64.max << UInt64(128 - length)
      return .v6(high & highMask, low & lowMask)
    }
  }

  package var description: String { "\(base)/\(prefix)" }
}

extension CIDR: Codable {
  package init(from decoder: any Decoder) throws {
    try self.init(decoder.singleValueContainer().decode(String.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
