/// Request targets that mean one thing to everybody.
enum PlainPath {
  /// Whether every server reads the path alike: a base URL of an upstream must not be left by it.
  static func isPlain(_ path: Substring) -> Bool {
    /// Of the segment so far: bytes, and how many of them are dots.
    var (length, dots) = (0, 0)
    /// The two bytes before.
    var (two, one) = (UInt8(0), UInt8(0))
    var isQuery = false
    for byte in path.utf8 {
      guard byte > 0x20, byte < 0x7f, byte != UInt8(ascii: "\\"), byte != UInt8(ascii: "#") else { return false }
      guard !isQuery else { continue }
      switch byte {
      case UInt8(ascii: "/"), UInt8(ascii: "?"):
        isQuery = byte == UInt8(ascii: "?")
        if one == UInt8(ascii: "/"), !isQuery { return false }
        if isDots(length, dots) { return false }
        (length, dots) = (0, 0)
      case UInt8(ascii: "."):
        length += 1
        dots += 1
      default:
        length += 1
        if two == UInt8(ascii: "%"), isPathByte(one, byte) { return false }
      }
      (two, one) = (one, byte)
    }
    return isQuery || !isDots(length, dots)
  }

  private static func isDots(_ length: Int, _ dots: Int) -> Bool { (1...2).contains(dots) && length == dots }

  /// Whether the two digits behind a percent stand for a dot, a slash or a backslash.
  private static func isPathByte(_ high: UInt8, _ low: UInt8) -> Bool {
    let low = low | 0x20
    return switch high {
    case UInt8(ascii: "2"): low == UInt8(ascii: "e") || low == UInt8(ascii: "f")
    case UInt8(ascii: "5"): low == UInt8(ascii: "c")
    default: false
    }
  }
}
