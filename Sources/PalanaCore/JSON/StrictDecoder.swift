/// Decodes a `Decodable` type from a ``JSONValue`` and refuses what the type does not know.
///
/// `JSONDecoder` ignores unknown fields, so that a typing mistake in a manifest silently means “the default”. Here it is an error
/// with the full path of the field. `null` counts as absent.
package enum StrictDecoder {
  /// - Parameters:
  ///   - path: what stands in front of every field in errors, for example `spec`.
  ///   - passesUnknown: for what others write and may extend: unknown fields are passed over.
  /// - Throws: ``PalanaError`` with code `invalid` that names each wrong field with its full path.
  package static func decode<T: Decodable>(
    _ type: T.Type, from value: JSONValue, at path: String = "", passesUnknown: Bool = false
  ) throws(PalanaError) -> T {
    let notes = DecodingNotes()
    let prefix: [any CodingKey] = path.isEmpty ? [] : [FieldKey(prefix: path)]
    var problems: [FieldError] = []
    var result: T?
    do {
      result = try StrictValue(value: value, codingPath: prefix, notes: notes).unbox(type)
    } catch {
      problems.append(FieldError(decoding: error, at: prefix))
    }
    // An unknown field is often the cause of the other problem (`hst` instead of the required `host`), so it comes first.
    if !passesUnknown { problems = notes.unknownFields() + problems }
    guard let result, problems.isEmpty else {
      throw PalanaError(problems) ?? PalanaError(.invalid, "cannot be read")
    }
    return result
  }
}

/// What was seen on the way: the members of each object that its type did not ask for.
final class DecodingNotes {
  final class Node {
    let path: [any CodingKey]
    let unknown: [String]
    var asked: [String] = []
    init(path: [any CodingKey], unknown: [String]) {
      self.path = path
      self.unknown = unknown
    }
  }

  private var nodes: [Node] = []

  func node(path: [any CodingKey], unknown: [String]) -> Node {
    let node = Node(path: path, unknown: unknown)
    if !unknown.isEmpty { nodes.append(node) }
    return node
  }

  func unknownFields() -> [FieldError] {
    nodes.flatMap { node in
      node.unknown.map { name in
        let meant = Suggestion.nearest(to: name, in: node.asked).map { ", did you mean \($0)?" } ?? ""
        return FieldError(FieldPath.text(node.path + [FieldKey(stringValue: name)]), "unknown field\(meant)")
      }
    }
  }
}

/// A name or an index on the way to a field.
struct FieldKey: CodingKey {
  var stringValue: String
  var intValue: Int?
  /// A path that the caller wrote, which needs no quotes.
  var isPrefix = false
  init(stringValue: String) { self.stringValue = stringValue }
  init(prefix: String) {
    stringValue = prefix
    isPrefix = true
  }
  init(intValue: Int) {
    stringValue = String(intValue)
    self.intValue = intValue
  }
}

/// Paths as people write them: `spec.rules[0].host`.
enum FieldPath {
  static func text(_ path: [any CodingKey]) -> String {
    var text = ""
    for key in path {
      if let index = key.intValue {
        text += "[\(index)]"
      } else if isPlain(key.stringValue) || (key as? FieldKey)?.isPrefix == true {
        text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
      } else {
        var quoted: [UInt8] = []
        JSONText.append(String(key.stringValue.prefix(60)), to: &quoted)
        text += "[\(String(decoding: quoted, as: UTF8.self))]"
      }
    }
    return text
  }

  private static func isPlain(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 60
      && name.unicodeScalars.allSatisfy {
        $0.isASCII && ($0.properties.isAlphabetic || $0 == "_" || $0 == "-" || (48...57).contains($0.value))
      }
  }
}

extension FieldError {
  /// What went wrong while decoding, in words for people.
  init(decoding error: any Error, at path: [any CodingKey]) {
    switch error {
    case let error as FieldError: self = error
    case let error as PalanaError: self.init(FieldPath.text(path), error.description)
    case DecodingError.keyNotFound(let key, let context):
      self.init(FieldPath.text(context.codingPath + [key]), "required")
    case DecodingError.valueNotFound(_, let context): self.init(FieldPath.text(context.codingPath), "required")
    case DecodingError.dataCorrupted(let context), DecodingError.typeMismatch(_, let context):
      self.init(FieldPath.text(context.codingPath), context.debugDescription)
    default: self.init(FieldPath.text(path), "cannot be read")
    }
  }
}
