#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The escapes of JSON's texts (RFC 8259 §7), undone wherever they stand: also in bytes that are not JSON, and in a text within a text.
enum JSONEscapes {
  /// The bytes with every escape undone once.
  ///
  /// - Returns: nil when there is none that somebody must have chosen: what every encoder writes alike is recognised as it is written.
  static func undone(_ bytes: borrowing Span<UInt8>) -> [UInt8]? {
    guard hasChosen(bytes) else { return nil }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      guard byte == UInt8(ascii: "\\"), index + 1 < bytes.count else {
        result.append(byte)
        index += 1
        continue
      }
      index += 2
      switch bytes[index - 1] {
      case UInt8(ascii: "b"): result.append(8)
      case UInt8(ascii: "f"): result.append(12)
      case UInt8(ascii: "n"): result.append(10)
      case UInt8(ascii: "r"): result.append(13)
      case UInt8(ascii: "t"): result.append(9)
      case UInt8(ascii: "u"):
        guard let unit = unit(bytes, at: index) else {
          result += [UInt8(ascii: "\\"), UInt8(ascii: "u")]
          continue
        }
        index += 4
        index += append(unit, followedBy: secondUnit(bytes, at: index), to: &result)
      case let other: result.append(other)
      }
    }
    return result
  }

  /// Whether there is a `\u` or a `\/`, or a `\\`, which may begin one in a text within the text.
  private static func hasChosen(_ bytes: borrowing Span<UInt8>) -> Bool {
    // The buffer is only read, within its count, and does not escape.
    unsafe bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return false }
      var index = 0
      while index + 1 < buffer.count, let found = unsafe memchr(base + index, Int32(UInt8(ascii: "\\")), buffer.count - index - 1) {
        index = unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
        let next = unsafe buffer[index + 1]
        if next == UInt8(ascii: "u") || next == UInt8(ascii: "/") || next == UInt8(ascii: "\\") { return true }
        index += 2
      }
      return false
    }
  }

  /// Four hexadecimal digits.
  private static func unit(_ bytes: borrowing Span<UInt8>, at index: Int) -> UInt32? {
    guard index + 4 <= bytes.count else { return nil }
    var unit: UInt32 = 0
    for place in index..<(index + 4) {
      switch bytes[place] {
      case let digit where (48...57).contains(digit): unit = unit << 4 | UInt32(digit - 48)
      case let digit where (65...70).contains(digit): unit = unit << 4 | UInt32(digit - 55)
      case let digit where (97...102).contains(digit): unit = unit << 4 | UInt32(digit - 87)
      default: return nil
      }
    }
    return unit
  }

  /// The second half of a pair.
  private static func secondUnit(_ bytes: borrowing Span<UInt8>, at index: Int) -> UInt32? {
    guard index + 6 <= bytes.count, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u"),
      let unit = unit(bytes, at: index + 2), (0xdc00...0xdfff).contains(unit)
    else { return nil }
    return unit
  }

  /// - Returns: bytes of the second half, if it was used.
  private static func append(_ unit: UInt32, followedBy second: UInt32?, to result: inout [UInt8]) -> Int {
    if (0xd800...0xdbff).contains(unit), let second {
      result += scalar(0x10000 + (unit - 0xd800) << 10 + (second - 0xdc00)).utf8
      return 6
    }
    result += scalar(unit).utf8
    return 0
  }

  /// Half a pair stands for nothing.
  private static func scalar(_ value: UInt32) -> Unicode.Scalar { Unicode.Scalar(value) ?? "\u{fffd}" }
}
