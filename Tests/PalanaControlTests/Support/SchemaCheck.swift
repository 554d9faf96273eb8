import PalanaCore

/// The part of JSON Schema that the document uses, to hold answers against it.
struct SchemaCheck {
  let document: JSONValue

  /// Every place where `value` is not what `schema` says.
  func problems(_ value: JSONValue, _ schema: JSONValue, at path: String = "$") -> [String] {
    if let reference = schema["$ref"]?.string {
      let name = String(reference.split(separator: "/").last ?? "")
      guard let target = document["components"]?["schemas"]?[name] else { return ["\(path): no schema \(name)"] }
      return problems(value, target, at: path)
    }
    if let choices = schema["oneOf"]?.array {
      let fits = choices.filter { problems(value, $0, at: path).isEmpty }.count
      return fits == 1 ? [] : ["\(path): fits \(fits) of the alternatives"]
    }
    if let constant = schema["const"], constant != value { return ["\(path): is not \(constant)"] }
    if let choices = schema["enum"]?.array, !choices.contains(value) { return ["\(path): not one of the values"] }
    guard let type = schema["type"]?.string else { return [] }
    switch (type, value) {
    case ("string", .string), ("boolean", .bool), ("number", .number): return []
    case ("integer", .number(let number)): return number.integer(Int64.self) == nil ? ["\(path): no integer"] : []
    case ("array", .array(let items)):
      guard let item = schema["items"] else { return [] }
      return items.enumerated().flatMap { problems($1, item, at: "\(path)[\($0)]") }
    case ("object", .object(let object)): return members(object, schema, path)
    default: return ["\(path): \(value.typeName) instead of \(type)"]
    }
  }

  private func members(_ object: JSONObject, _ schema: JSONValue, _ path: String) -> [String] {
    var found: [String] = []
    for name in schema["required"]?.array ?? [] where object[name.string ?? ""] == nil {
      found.append("\(path): \(name.string ?? "") is missing")
    }
    for (name, value) in object {
      if let member = schema["properties"]?[name] {
        found += problems(value, member, at: "\(path).\(name)")
      } else if schema["additionalProperties"]?.bool == false {
        found.append("\(path).\(name): not known")
      } else if let other = schema["additionalProperties"], other.object != nil {
        found += problems(value, other, at: "\(path).\(name)")
      }
    }
    return found
  }
}
