package import PalanaCore
package import Yams

/// Reads YAML (and with it JSON) into JSON values.
enum YAMLReader {
  /// Every document of `text`; empty ones are left out.
  /// - Throws: ``PalanaError`` with code `invalid` that names file and line.
  static func documents(_ text: String, file: String) throws(PalanaError) -> [ManifestDocument] {
    var documents: [ManifestDocument] = []
    do {
      let parser = try Parser(yaml: text)
      var number = 0
      while let root = try parser.nextRoot() {
        number += 1
        var reader = YAMLValueReader(file: file)
        let value = try reader.value(root, "")
        guard value != .null else { continue }
        documents.append(
          ManifestDocument(file: file, number: number, count: 0, value: value, lines: reader.lines))
      }
    } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.invalid, words(error, file: file))
    }
    return documents.map { document in
      var document = document
      document.count = documents.count
      return document
    }
  }

  private static func words(_ error: any Error, file: String) -> String {
    switch error as? YamlError {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      "\(file), line \(mark.line): \(problem)"
    case .duplicatedKeysInMapping(let names, let context):
      "\(file), line \(context.mark.line): the key \(names.sorted().joined(separator: ", ")) stands twice"
    case .reader(let problem, _, _, _): "\(file): \(problem)"
    default: "\(file): this is not YAML"
    }
  }
}

/// A part of a YAML document that was read by somebody else.
package enum YAMLValue {
  /// - Parameters:
  ///   - file: its name for messages.
  /// - Throws: ``PalanaError`` with code `invalid` that names file and line.
  package static func json(_ node: Node, file: String) throws(PalanaError) -> JSONValue {
    var reader = YAMLValueReader(file: file)
    return try reader.value(node, "")
  }
}

/// Turns one YAML document into a JSON value and notes the lines.
private struct YAMLValueReader {
  let file: String
  private(set) var lines: [String: Int] = [:]
  private var budget = 200_000

  init(file: String) { self.file = file }

  mutating func value(_ node: Node, _ path: String) throws(PalanaError) -> JSONValue {
    // Aliases can stand for each other many times over: a few lines would fill the memory.
    budget -= 1
    guard budget > 0 else { throw error(node, "the document is too large") }
    if let line = node.mark?.line, lines[path] == nil { lines[path] = line }
    switch node {
    case .scalar(let scalar): return try self.scalar(scalar, node)
    case .sequence(let sequence):
      var elements: [JSONValue] = []
      for (index, element) in sequence.enumerated() { elements.append(try value(element, "\(path)[\(index)]")) }
      return .array(elements)
    case .mapping(let mapping): return .object(try object(mapping, path))
    case .alias: throw error(node, "an alias without its anchor")
    }
  }

  private mutating func object(_ mapping: Node.Mapping, _ path: String) throws(PalanaError) -> JSONObject {
    var own = JSONObject()
    var merged = JSONObject()
    for (key, member) in mapping {
      guard case .scalar(let scalar) = key else { throw error(key, "a key is text") }
      if Resolver.default.resolveTag(of: key) == .merge {
        let parts: [Node] = if case .sequence(let list) = member { Array(list) } else { [member] }
        for part in parts {
          guard case .mapping(let inner) = part else { throw error(part, "only a mapping can be merged") }
          for (name, value) in try object(inner, path) where merged[name] == nil { merged[name] = value }
        }
        continue
      }
      let place = path.isEmpty ? scalar.string : "\(path).\(scalar.string)"
      if let line = key.mark?.line { lines[place] = line }
      own[scalar.string] = try value(member, place)
    }
    for (name, value) in merged where own[name] == nil { own[name] = value }
    return own
  }

  private func scalar(_ scalar: Node.Scalar, _ node: Node) throws(PalanaError) -> JSONValue {
    let text = scalar.string
    let tag = Resolver.default.resolveTag(of: node)
    switch tag {
    case .null: return .null
    case .bool:
      guard let value = node.bool else { throw error(node, "‘\(text.prefix(40))’ is no truth value") }
      return .bool(value)
    case .int:
      if let number = JSONNumber(literal: text) { return .number(number) }
      // `12:30` is a number of base sixty in YAML 1.1 and meant by nobody.
      guard !text.contains(":"), let value = node.int else { return .string(text) }
      return .number(JSONNumber(value))
    case .float:
      if let number = JSONNumber(literal: text) { return .number(number) }
      guard !text.contains(":") else { return .string(text) }
      guard let value = node.float, let number = JSONNumber(value) else {
        throw error(node, "‘\(text.prefix(40))’ is no number that can be used")
      }
      return .number(number)
    case .str, .timestamp, .merge, .value: return .string(text)
    default: throw error(node, "the tag \(tag.rawValue.prefix(60)) is not known")
    }
  }

  private func error(_ node: Node, _ what: String) -> PalanaError {
    PalanaError(.invalid, "\(file)\(node.mark.map { ", line \($0.line)" } ?? ""): \(what)")
  }
}
