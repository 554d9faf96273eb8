package import PalanaCore
import PalanaManifests
import Yams

/// A configuration file as a flat list of keys with where each stands, before anything is made of the values.
package struct ConfigurationDocument {
  /// A written value.
  package enum Value: Hashable {
    case scalar(String)
    case list([String])
    case map([String: String])
    /// Whatever stands there; its reader knows the shape.
    case tree(JSONValue)
  }

  /// One key with its place in the file.
  package struct Entry {
    package var path: String
    package var value: Value
    /// `FILE:LINE`, or the name of an environment variable.
    package var origin: String
  }

  package private(set) var entries: [Entry] = []

  package init() {}

  /// Reads `text`.
  ///
  /// - Parameters:
  ///   - file: the name for messages.
  ///   - leaves: the paths at which a mapping is a value (a map of names) and not a group of keys.
  ///   - trees: the paths at which a mapping is a value of any shape.
  /// - Throws: ``PalanaError`` with code `invalid` that names file and line.
  package init(yaml text: String, file: String, leaves: Set<String>, trees: Set<String> = []) throws(PalanaError) {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch let error as YamlError {
      throw PalanaError(.invalid, "\(file) is not valid YAML: \(error)")
    } catch {
      throw PalanaError(.invalid, "\(file) is not valid YAML")
    }
    guard let root else { return }
    if case .scalar(let scalar) = root, scalar.string.isEmpty { return }
    guard case .mapping(let mapping) = root else {
      throw PalanaError(.invalid, "\(file): the configuration is a mapping of keys, this is something else")
    }
    try collect(mapping, prefix: "", file: file, leaves: leaves, trees: trees)
  }

  /// Adds a value from the environment.
  package mutating func add(path: String, value: Value, variable: String) {
    entries.append(Entry(path: path, value: value, origin: variable))
  }

  private mutating func collect(
    _ mapping: Node.Mapping, prefix: String, file: String, leaves: Set<String>, trees: Set<String>
  ) throws(PalanaError) {
    var seen: Set<String> = []
    for (keyNode, node) in mapping {
      let line = (keyNode.mark ?? node.mark).map { "\(file):\($0.line)" } ?? file
      guard let key = keyNode.string else { throw PalanaError(.invalid, "\(line): a key is a plain word") }
      let path = prefix.isEmpty ? key : "\(prefix).\(key)"
      guard seen.insert(key).inserted else { throw PalanaError(.invalid, "\(line): \(path): the key stands twice") }
      switch node {
      case .mapping where trees.contains(path):
        entries.append(Entry(path: path, value: .tree(try YAMLValue.json(node, file: file)), origin: line))
      case .mapping(let inner) where leaves.contains(path):
        entries.append(Entry(path: path, value: .map(try Self.map(inner, path: path, line: line)), origin: line))
      case .mapping(let inner):
        try collect(inner, prefix: path, file: file, leaves: leaves, trees: trees)
      case .sequence(let sequence):
        var items: [String] = []
        for item in sequence {
          guard case .scalar(let scalar) = item else {
            throw PalanaError(.invalid, "\(line): \(path): each entry of the list is a plain value")
          }
          items.append(scalar.string)
        }
        entries.append(Entry(path: path, value: .list(items), origin: line))
      case .scalar(let scalar):
        entries.append(Entry(path: path, value: .scalar(scalar.string), origin: line))
      case .alias:
        throw PalanaError(.invalid, "\(line): \(path): aliases are not used here")
      }
    }
  }

  /// A map of plain values; deeper levels are flattened as `a.b`, so that a route table keeps its shape for the reader.
  private static func map(_ mapping: Node.Mapping, path: String, line: String) throws(PalanaError) -> [String: String] {
    var result: [String: String] = [:]
    for (keyNode, node) in mapping {
      guard let key = keyNode.string else { throw PalanaError(.invalid, "\(line): \(path): a key is a plain word") }
      switch node {
      case .scalar(let scalar): result[key] = scalar.string
      case .mapping(let inner):
        for (innerKey, value) in try map(inner, path: "\(path).\(key)", line: line) {
          result["\(key).\(innerKey)"] = value
        }
      default: throw PalanaError(.invalid, "\(line): \(path).\(key): a plain value is expected")
      }
    }
    return result
  }
}
