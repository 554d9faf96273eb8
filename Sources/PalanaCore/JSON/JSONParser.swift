extension JSONValue {
  /// Reads one JSON document (RFC 8259). Stricter than the standard: a name that stands twice is refused, and nesting
  /// ends at 64 levels.
  /// - Throws: ``PalanaError`` with code `invalid` that says line and column.
  package init(parsing bytes: some Collection<UInt8>) throws(PalanaError) {
    var parser = JSONParser(bytes: Array(bytes))
    self = try parser.document()
  }
}

/// A recursive-descent parser over bytes in memory. The depth bound keeps hostile nesting off the stack.
struct JSONParser {
  private static let maximumDepth = 64

  private let bytes: [UInt8]
  private var index = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws(PalanaError) -> JSONValue {
    skipSpace()
    let value = try value(depth: 0)
    skipSpace()
    guard index == bytes.count else { throw fail("something follows the end of the document") }
    return value
  }

  private func fail(_ why: String) -> PalanaError {
    var line = 1
    var column = 1
    for byte in bytes.prefix(index) {
      if byte == 10 {
        line += 1
        column = 1
      } else {
        column += 1
      }
    }
    return PalanaError(.invalid, "malformed JSON at line \(line), column \(column): \(why)")
  }

  private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 32 || byte == 10 || byte == 13 || byte == 9 { index += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard current == byte else { return false }
    index += 1
    return true
  }

  private mutating func value(depth: Int) throws(PalanaError) -> JSONValue {
    guard depth < Self.maximumDepth else { throw fail("nested deeper than \(Self.maximumDepth) levels") }
    switch current {
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case nil: throw fail("the document ends too early")
    default: return .number(try number())
    }
  }

  private mutating func literal(_ text: StaticString, _ value: JSONValue) throws(PalanaError) -> JSONValue {
    let expected = Array(text.description.utf8)
    guard bytes[index...].starts(with: expected) else { throw fail("unknown word") }
    index += expected.count
    return value
  }

  private mutating func number() throws(PalanaError) -> JSONNumber {
    let start = index
    while let byte = current,
      (48...57).contains(byte) || byte == 43 || byte == 45 || byte == 46 || byte | 0x20 == UInt8(ascii: "e")
    {
      index += 1
    }
    let literal = Array(bytes[start..<index])
    guard JSONNumber.isNumber(literal) else {
      index = start
      throw fail("a value is expected")
    }
    return JSONNumber(checked: String(decoding: literal, as: UTF8.self))
  }

  private mutating func array(depth: Int) throws(PalanaError) -> [JSONValue] {
    index += 1
    var elements: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return elements }
    while true {
      skipSpace()
      elements.append(try value(depth: depth + 1))
      skipSpace()
      if take(UInt8(ascii: "]")) { return elements }
      guard take(UInt8(ascii: ",")) else { throw fail("‘,’ or ‘]’ is expected") }
    }
  }

  private mutating func object(depth: Int) throws(PalanaError) -> JSONObject {
    index += 1
    var object = JSONObject()
    skipSpace()
    if take(UInt8(ascii: "}")) { return object }
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw fail("a name in quotes is expected") }
      let name = try string()
      // Two members of one name are read differently by different programs, which is a way past a check.
      guard object[name] == nil else { throw fail("‘\(name.prefix(60))’ stands twice") }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw fail("‘:’ is expected") }
      skipSpace()
      object[name] = try value(depth: depth + 1)
      skipSpace()
      if take(UInt8(ascii: "}")) { return object }
      guard take(UInt8(ascii: ",")) else { throw fail("‘,’ or ‘}’ is expected") }
    }
  }

  private mutating func string() throws(PalanaError) -> String {
    index += 1
    var text: [UInt8] = []
    while let byte = current {
      index += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else { throw fail("text is not valid UTF-8") }
        return string
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<32: throw fail("a control character stands in text")
      default: text.append(byte)
      }
    }
    throw fail("text does not end")
  }

  private mutating func escape(into text: inout [UInt8]) throws(PalanaError) {
    guard let byte = current else { throw fail("text does not end") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "u"):
      var code = UInt32(try hexadecimal())
      if (0xd800..<0xdc00).contains(code), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
        let low = UInt32(try hexadecimal())
        guard (0xdc00..<0xe000).contains(low) else { throw fail("half of a surrogate pair") }
        code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw fail("half of a surrogate pair") }
      text.append(contentsOf: Array(String(Character(scalar)).utf8))
    default: throw fail("unknown escape")
    }
  }

  private mutating func hexadecimal() throws(PalanaError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
        throw fail("four hexadecimal digits are expected")
      }
      value = value << 4 | UInt16(digit)
      index += 1
    }
    return value
  }
}
