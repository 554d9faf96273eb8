import FoundationEssentials
import PalanaCore

/// Writes JSON. Members are sorted by name, so that output can be compared; what could act on a terminal is escaped.
enum JSONText {
  /// With two spaces of indentation.
  static func pretty(_ value: JSONValue) -> String {
    var text = ""
    write(value, indent: 0, pretty: true, into: &text)
    return text
  }

  /// On one line.
  static func compact(_ value: JSONValue) -> String {
    var text = ""
    write(value, indent: 0, pretty: false, into: &text)
    return text
  }

  /// The JSON value of an encodable value.
  /// - Throws: ``PalanaError`` with code `failed`.
  static func value(of value: some Encodable) throws -> JSONValue {
    let bytes: [UInt8]
    do { bytes = Array(try JSONEncoder().encode(value)) } catch {
      throw PalanaError(.failed, "a result cannot be written as JSON")
    }
    return try JSONValue(parsing: bytes)
  }

  private static func write(_ value: JSONValue, indent: Int, pretty: Bool, into text: inout String) {
    let newline = pretty ? "\n" + String(repeating: "  ", count: indent + 1) : ""
    let end = pretty ? "\n" + String(repeating: "  ", count: indent) : ""
    switch value {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let number): text += number.description
    case .string(let string): quote(string, into: &text)
    case .array(let elements):
      guard !elements.isEmpty else {
        text += "[]"
        return
      }
      text += "["
      for (index, element) in elements.enumerated() {
        text += (index == 0 ? "" : ",") + newline
        write(element, indent: indent + 1, pretty: pretty, into: &text)
      }
      text += end + "]"
    case .object(let object):
      guard !object.isEmpty else {
        text += "{}"
        return
      }
      text += "{"
      for (index, key) in object.keys.sorted().enumerated() {
        text += (index == 0 ? "" : ",") + newline
        quote(key, into: &text)
        text += pretty ? ": " : ":"
        write(object[key] ?? .null, indent: indent + 1, pretty: pretty, into: &text)
      }
      text += end + "}"
    }
  }

  private static func quote(_ string: String, into text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where TerminalText.isDangerous(scalar):
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
