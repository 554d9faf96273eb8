import Foundation

/// A JSON value that is easy to look into: `answer["status"]["phase"].string`.
enum JSON: Sendable, Equatable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  init(parsing text: String) throws {
    self = JSON(try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed))
  }

  private init(_ value: Any) {
    switch value {
    case let text as String: self = .string(text)
    case let number as NSNumber:
      self = isBoolean(number) ? .bool(number.boolValue) : .number(number.doubleValue)
    case let array as [Any]: self = .array(array.map(JSON.init))
    case let object as [String: Any]: self = .object(object.mapValues(JSON.init))
    default: self = .null
    }
  }

  subscript(key: String) -> JSON {
    if case .object(let object) = self { return object[key] ?? .null }
    return .null
  }

  subscript(index: Int) -> JSON {
    if case .array(let array) = self, array.indices.contains(index) { return array[index] }
    return .null
  }

  var string: String? { if case .string(let text) = self { text } else { nil } }
  var number: Double? { if case .number(let number) = self { number } else { nil } }
  var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  var array: [JSON] { if case .array(let array) = self { array } else { [] } }
  var isNull: Bool { self == .null }
}

/// Foundation on Linux has no public way to tell a JSON boolean from a number but the Objective-C type code.
private func isBoolean(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
