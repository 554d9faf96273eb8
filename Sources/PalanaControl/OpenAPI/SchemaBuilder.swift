import PalanaCore

/// Pieces of JSON Schema 2020-12 as OpenAPI 3.1 uses it.
enum Schema {
  static let text: JSONValue = ["type": "string"]
  static let integer: JSONValue = ["type": "integer"]
  static let number: JSONValue = ["type": "number"]
  static let boolean: JSONValue = ["type": "boolean"]
  static let time: JSONValue = ["type": "string", "format": "date-time"]
  static let texts: JSONValue = ["type": "array", "items": ["type": "string"]]
  static let textMap: JSONValue = ["type": "object", "additionalProperties": ["type": "string"]]

  static func reference(_ name: String) -> JSONValue { ["$ref": .string("#/components/schemas/\(name)")] }
  static func list(of item: JSONValue) -> JSONValue { ["type": "array", "items": item] }

  static func choice(_ values: [String]) -> JSONValue {
    ["type": "string", "enum": .array(values.map { .string($0) })]
  }

  static func choice<Value: RawRepresentable<String> & CaseIterable>(_ type: Value.Type) -> JSONValue {
    choice(Value.allCases.map(\.rawValue))
  }

  /// An object that has the required members, may have the optional ones, and no others.
  static func object(
    _ summary: String = "", required: KeyValuePairs<String, JSONValue> = [:],
    optional: KeyValuePairs<String, JSONValue> = [:]
  ) -> JSONValue {
    var properties = JSONObject()
    for (name, schema) in required { properties[name] = schema }
    for (name, schema) in optional { properties[name] = schema }
    var object: JSONObject = ["type": "object"]
    if !summary.isEmpty { object["description"] = .string(summary) }
    object["properties"] = .object(properties)
    if !required.isEmpty { object["required"] = .array(required.map { .string($0.key) }) }
    object["additionalProperties"] = false
    return .object(object)
  }

  /// A list of a kind.
  static func items(_ name: String, kind: String? = nil) -> JSONValue {
    guard let kind else { return object(required: ["items": list(of: reference(name))]) }
    return object(required: ["kind": ["const": .string(kind)], "items": list(of: reference(name))])
  }

  /// A Kubernetes-shaped object.
  static func resource(_ kind: String, spec: JSONValue, status: JSONValue? = nil) -> JSONValue {
    object(
      required: [
        "apiVersion": ["const": "palana.dev/v1alpha1"], "kind": ["const": .string(kind)],
        "metadata": reference("ObjectMeta"), "spec": spec,
      ], optional: ["status": status ?? object("Always empty.")])
  }
}
