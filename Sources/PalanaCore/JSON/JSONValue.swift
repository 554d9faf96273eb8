/// Any JSON value, without loss: numbers keep their literal, objects keep the order of their members.
///
/// Manifests pass through it (YAML becomes a `JSONValue` too), so that strict decoding has one input.
package enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

/// A JSON number as it was written, so that `1.10` and integers over 53 bits survive.
package struct JSONNumber: Hashable, Sendable, CustomStringConvertible {
  /// A literal of RFC 8259, section 6.
  package let description: String

  /// Nil when `literal` is not a JSON number.
  package init?(literal: String) {
    guard Self.isNumber(Array(literal.utf8)) else { return nil }
    description = literal
  }

  /// For the parser, which has checked the literal.
  init(checked literal: String) { description = literal }

  package init(_ value: some BinaryInteger) { description = String(value) }

  /// Nil for infinities and NaN, which JSON cannot say.
  package init?(_ value: Double) {
    guard value.isFinite else { return nil }
    description = String(describing: value)
  }

  /// The exact integer, or nil when there is a fraction, an exponent or too many digits. `1.0` counts as 1.
  package func integer<Integer: FixedWidthInteger>(_ type: Integer.Type = Integer.self) -> Integer? {
    if let exact = Integer(description) { return exact }
    return Double(description).flatMap { Integer(exactly: $0) }
  }

  /// The nearest double.
  package var double: Double? { Double(description) }

  /// Whether `bytes` are one number of RFC 8259, section 6: `-? int frac? exp?`.
  static func isNumber(_ bytes: [UInt8]) -> Bool {
    var index = 0
    func digits() -> Int {
      let start = index
      while index < bytes.count, (48...57).contains(bytes[index]) { index += 1 }
      return index - start
    }
    if index < bytes.count, bytes[index] == UInt8(ascii: "-") { index += 1 }
    let leadsWithZero = index < bytes.count && bytes[index] == UInt8(ascii: "0")
    let whole = digits()
    guard whole > 0, !leadsWithZero || whole == 1 else { return false }
    if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
      index += 1
      guard digits() > 0 else { return false }
    }
    if index < bytes.count, bytes[index] | 0x20 == UInt8(ascii: "e") {
      index += 1
      if index < bytes.count, bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "-") { index += 1 }
      guard digits() > 0 else { return false }
    }
    return index == bytes.count
  }
}

/// The members of a JSON object in their written order. No name stands twice.
package struct JSONObject: Hashable, Sendable, ExpressibleByDictionaryLiteral, RandomAccessCollection {
  package typealias Element = (key: String, value: JSONValue)

  private var names: [String] = []
  private var values: [String: JSONValue] = [:]

  package init() {}

  /// The last of two equal names wins.
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    for (name, value) in elements { self[name] = value }
  }

  /// Writing a new name appends it; writing nil removes it.
  package subscript(name: String) -> JSONValue? {
    get { values[name] }
    set {
      if let newValue {
        if values.updateValue(newValue, forKey: name) == nil { names.append(name) }
      } else if values.removeValue(forKey: name) != nil {
        names.removeAll { $0 == name }
      }
    }
  }

  package var keys: [String] { names }
  package var startIndex: Int { 0 }
  package var endIndex: Int { names.count }
  package subscript(position: Int) -> Element {
    let name = names[position]
    return (name, values[name] ?? .null)
  }

  /// Order does not count: JSON objects are unordered.
  package static func == (left: Self, right: Self) -> Bool { left.values == right.values }
  package func hash(into hasher: inout Hasher) { hasher.combine(values) }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    var object = JSONObject()
    for (name, value) in elements { object[name] = value }
    self = .object(object)
  }
}

extension JSONValue {
  /// The member of an object; nil for everything else.
  package subscript(name: String) -> JSONValue? {
    if case .object(let object) = self { object[name] } else { nil }
  }

  /// The element of an array; nil for everything else and out of bounds.
  package subscript(index: Int) -> JSONValue? {
    guard case .array(let array) = self, array.indices.contains(index) else { return nil }
    return array[index]
  }

  package var string: String? { if case .string(let value) = self { value } else { nil } }
  package var int: Int? { if case .number(let value) = self { value.integer() } else { nil } }
  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  package var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  package var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

  /// `an object`, `text`, …: for error messages.
  package var typeName: String {
    switch self {
    case .null: "null"
    case .bool: "a truth value"
    case .number: "a number"
    case .string: "text"
    case .array: "a list"
    case .object: "an object"
    }
  }
}
