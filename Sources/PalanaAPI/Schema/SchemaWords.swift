import PalanaCore

/// A few words to write JSON Schemas (draft 2020-12, as OpenAPI 3.1 uses them) with.
enum SchemaWords {
  /// An object with exactly these members.
  static func object(_ properties: [(String, JSONValue)], required: [String] = []) -> JSONValue {
    var members = JSONObject()
    for (name, schema) in properties { members[name] = schema }
    var schema: JSONObject = ["type": "object", "properties": .object(members), "additionalProperties": false]
    if !required.isEmpty { schema["required"] = .array(required.map(JSONValue.string)) }
    return .object(schema)
  }

  static func text(_ description: String? = nil) -> JSONValue { described(["type": "string"], description) }
  static func flag(_ description: String? = nil) -> JSONValue { described(["type": "boolean"], description) }
  static func number(_ description: String? = nil) -> JSONValue { described(["type": "number"], description) }
  static func time(_ description: String? = nil) -> JSONValue {
    described(["type": "string", "format": "date-time"], description)
  }

  static func integer(_ range: ClosedRange<Int>? = nil, _ description: String? = nil) -> JSONValue {
    var schema: JSONObject = ["type": "integer"]
    if let range {
      schema["minimum"] = .number(JSONNumber(range.lowerBound))
      schema["maximum"] = .number(JSONNumber(range.upperBound))
    }
    return described(schema, description)
  }

  /// One of the raw values of an enumeration.
  static func choice<Choice: CaseIterable & RawRepresentable>(
    _ type: Choice.Type, _ description: String? = nil
  ) -> JSONValue where Choice.RawValue == String {
    described(["type": "string", "enum": .array(type.allCases.map { .string($0.rawValue) })], description)
  }

  static func list(_ items: JSONValue, _ description: String? = nil) -> JSONValue {
    described(["type": "array", "items": items], description)
  }

  /// An object whose names are free and whose values are texts.
  static func map(_ description: String? = nil) -> JSONValue {
    described(["type": "object", "additionalProperties": ["type": "string"]], description)
  }

  /// A quantity: text with a unit, or a plain number.
  static func quantity(_ description: String) -> JSONValue {
    described(["type": ["string", "number"]], description)
  }

  private static func described(_ schema: JSONObject, _ description: String?) -> JSONValue {
    var schema = schema
    if let description { schema["description"] = .string(description) }
    return .object(schema)
  }
}
