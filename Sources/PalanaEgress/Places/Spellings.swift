import PalanaSecrets

/// Placeholders in disguise: spellings that a receiver would undo.
enum Spellings {
  /// Layers of encoding that are looked through.
  private static let layers = 3

  /// Whether a placeholder stands in the bytes as it is, or percent-encoded, behind backslash escapes, in UTF-16 or UTF-32, or
  /// behind several of these at once.
  static func holdPlaceholder(_ bytes: borrowing Span<UInt8>, _ scanner: PlaceholderScanner) -> Bool {
    if scanner.firstMatch(in: bytes) != nil { return true }
    guard mayBeSpelled(bytes) else { return false }
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count)
    for index in 0..<bytes.count { text.append(bytes[index]) }
    for _ in 0..<layers {
      guard let undone = undo(text) else { return false }
      text = undone
      if scanner.firstMatch(in: text.span) != nil { return true }
    }
    return false
  }

  /// Whether any byte begins an encoding.
  private static func mayBeSpelled(_ bytes: borrowing Span<UInt8>) -> Bool {
    Bytes.contains(bytes, UInt8(ascii: "%")) || Bytes.contains(bytes, UInt8(ascii: "\\")) || Bytes.contains(bytes, 0)
  }

  /// One layer less; nil when there is none.
  private static func undo(_ bytes: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      switch bytes[index] {
      case 0: index += 1
      case UInt8(ascii: "%"):
        if let byte = hexadecimal(bytes, index + 1) {
          result.append(byte)
          index += 3
        } else {
          result.append(bytes[index])
          index += 1
        }
      case UInt8(ascii: "\\") where index + 1 < bytes.count:
        if bytes[index + 1] == UInt8(ascii: "u"), hexadecimal(bytes, index + 2) == 0,
          let byte = hexadecimal(bytes, index + 4)
        {
          result.append(byte)
          index += 6
        } else if bytes[index + 1] == UInt8(ascii: "x"), let byte = hexadecimal(bytes, index + 2) {
          result.append(byte)
          index += 4
        } else {
          // `\/` and the like mean the character itself.
          result.append(bytes[index + 1])
          index += 2
        }
      default:
        result.append(bytes[index])
        index += 1
      }
    }
    return result.count == bytes.count ? nil : result
  }

  private static func hexadecimal(_ bytes: [UInt8], _ index: Int) -> UInt8? {
    guard index + 1 < bytes.count, let high = ByteClass.hexadecimal(bytes[index]),
      let low = ByteClass.hexadecimal(bytes[index + 1])
    else { return nil }
    return high << 4 | low
  }
}
