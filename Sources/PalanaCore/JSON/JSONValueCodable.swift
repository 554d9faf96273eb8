/// So that a value can stand in a `Codable` type. The order of members depends on the other coder; ``StrictDecoder`` keeps it.
extension JSONValue: Codable {
  private struct Name: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { return nil }
  }

  package init(from decoder: any Decoder) throws {
    if let container = try? decoder.container(keyedBy: Name.self) {
      var object = JSONObject()
      for key in container.allKeys { object[key.stringValue] = try container.decode(JSONValue.self, forKey: key) }
      self = .object(object)
    } else if var container = try? decoder.unkeyedContainer() {
      var elements: [JSONValue] = []
      while !container.isAtEnd { elements.append(try container.decode(JSONValue.self)) }
      self = .array(elements)
    } else {
      let container = try decoder.singleValueContainer()
      if container.decodeNil() {
        self = .null
      } else if let flag = try? container.decode(Bool.self) {
        self = .bool(flag)
      } else if let integer = try? container.decode(Int64.self) {
        self = .number(JSONNumber(integer))
      } else if let integer = try? container.decode(UInt64.self) {
        self = .number(JSONNumber(integer))
      } else if let number = try? container.decode(Double.self), let exact = JSONNumber(number) {
        self = .number(exact)
      } else {
        self = .string(try container.decode(String.self))
      }
    }
  }

  package func encode(to encoder: any Encoder) throws {
    switch self {
    case .null:
      var container = encoder.singleValueContainer()
      try container.encodeNil()
    case .bool(let flag):
      var container = encoder.singleValueContainer()
      try container.encode(flag)
    case .number(let number):
      var container = encoder.singleValueContainer()
      if let integer = number.integer(Int64.self) {
        try container.encode(integer)
      } else if let integer = number.integer(UInt64.self) {
        try container.encode(integer)
      } else {
        try container.encode(number.double ?? 0)
      }
    case .string(let text):
      var container = encoder.singleValueContainer()
      try container.encode(text)
    case .array(let elements):
      var container = encoder.unkeyedContainer()
      for element in elements { try container.encode(element) }
    case .object(let object):
      var container = encoder.container(keyedBy: Name.self)
      for (key, value) in object { try container.encode(value, forKey: Name(stringValue: key)) }
    }
  }
}
