extension JSONValue {
  /// The document as UTF-8.
  /// - Parameters:
  ///   - pretty: one member a line, indented by two spaces; otherwise without white space.
  ///   - sortedKeys: members by name instead of in their own order.
  package func encoded(pretty: Bool = false, sortedKeys: Bool = false) -> [UInt8] {
    var writer = JSONWriter(pretty: pretty, sortedKeys: sortedKeys)
    writer.write(self, depth: 0)
    return writer.bytes
  }
}

/// Text rules of JSON that more than one writer needs.
package enum JSONText {
  /// Appends `text` in quotes. Besides what RFC 8259 demands, it escapes what acts on terminals and log viewers: DEL, the C1
  /// controls, line and paragraph separators and the marks that change the writing direction.
  package static func append(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    if isPlain(text.utf8Span.span) {
      bytes.append(contentsOf: text.utf8)
    } else {
      for scalar in text.unicodeScalars { append(scalar, to: &bytes) }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Whether nothing needs an escape: by far the most texts, so this is a plain loop over the bytes.
  private static func isPlain(_ text: Span<UInt8>) -> Bool {
    for index in text.indices where !isPlain(text[index]) { return false }
    return true
  }

  /// ASCII that stands for itself inside quotes.
  private static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte < 0x7f && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  private static func append(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
    switch scalar.value {
    case 0x22, 0x5c:
      bytes.append(UInt8(ascii: "\\"))
      bytes.append(UInt8(truncatingIfNeeded: scalar.value))
    case 0x0a: bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
    case 0x0d: bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "r")])
    case 0x09: bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "t")])
    case 0..<0x20, 0x7f..<0xa0, 0x061c, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff:
      bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "u")])
      for shift in [12, 8, 4, 0] as [UInt32] {
        let digit = UInt8(truncatingIfNeeded: scalar.value >> shift & 15)
        bytes.append(digit < 10 ? 48 + digit : 87 + digit)
      }
    default: bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
  }
}

private struct JSONWriter {
  var pretty: Bool
  var sortedKeys: Bool
  var bytes: [UInt8] = []

  mutating func write(_ value: JSONValue, depth: Int) {
    switch value {
    case .null: bytes.append(contentsOf: "null".utf8)
    case .bool(let flag): bytes.append(contentsOf: (flag ? "true" : "false").utf8)
    case .number(let number): bytes.append(contentsOf: number.description.utf8)
    case .string(let text): JSONText.append(text, to: &bytes)
    case .array(let elements):
      list(elements, open: "[", close: "]", depth: depth) { writer, element in
        writer.write(element, depth: depth + 1)
      }
    case .object(let object):
      let members = sortedKeys ? object.sorted { $0.key < $1.key } : Array(object)
      list(members, open: "{", close: "}", depth: depth) { writer, member in
        JSONText.append(member.key, to: &writer.bytes)
        writer.bytes.append(UInt8(ascii: ":"))
        if writer.pretty { writer.bytes.append(32) }
        writer.write(member.value, depth: depth + 1)
      }
    }
  }

  private mutating func list<Item>(
    _ items: [Item], open: Unicode.Scalar, close: Unicode.Scalar, depth: Int, _ body: (inout Self, Item) -> Void
  ) {
    bytes.append(UInt8(ascii: open))
    for (index, item) in items.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      newLine(depth: depth + 1)
      body(&self, item)
    }
    if !items.isEmpty { newLine(depth: depth) }
    bytes.append(UInt8(ascii: close))
  }

  private mutating func newLine(depth: Int) {
    guard pretty else { return }
    bytes.append(10)
    bytes.append(contentsOf: repeatElement(32, count: depth * 2))
  }
}
