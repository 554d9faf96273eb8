/// A JSON value from OPA: what policies answer, and the syntax trees that are inspected.
///
/// Not the value type of the resources: a syntax tree nests three or four levels for each operator of an expression,
/// far beyond what hostile JSON is given there. The decoder's own bound (512 levels) holds here.
enum OPAValue: Hashable, Sendable, Decodable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([OPAValue])
  case object([String: OPAValue])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let text = try? container.decode(String.self) {
      self = .string(text)
    } else if let object = try? container.decode([String: OPAValue].self) {
      self = .object(object)
    } else if let list = try? container.decode([OPAValue].self) {
      self = .array(list)
    } else if let flag = try? container.decode(Bool.self) {
      self = .bool(flag)
    } else if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else if container.decodeNil() {
      self = .null
    } else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a JSON value")
    }
  }

  subscript(key: String) -> OPAValue? {
    if case .object(let object) = self { return object[key] }
    return nil
  }

  var text: String? {
    if case .string(let text) = self { return text }
    return nil
  }

  var list: [OPAValue]? {
    if case .array(let list) = self { return list }
    return nil
  }
}
