package import PalanaCore
import Yams

/// Writes YAML that any reader, of YAML 1.1 or 1.2, reads back as the same value.
package enum YAMLText {
  /// One document, ending in a line break. Members are sorted by name.
  /// - Throws: ``PalanaError`` with code `failed`.
  package static func document(_ value: JSONValue) throws -> String {
    do {
      return try Yams.serialize(node: node(value), width: -1, allowUnicode: true)
    } catch {
      throw PalanaError(.failed, "a result cannot be written as YAML")
    }
  }

  /// Several documents, each after a line `---` except the first.
  package static func documents(_ values: [JSONValue]) throws -> String {
    try values.map(document).joined(separator: "---\n")
  }

  private static func node(_ value: JSONValue) throws -> Node {
    switch value {
    case .null: Node("null", Tag(.null))
    case .bool(let value): Node(value ? "true" : "false", Tag(.bool))
    case .number(let number): self.number(number)
    case .string(let text): string(text)
    case .array(let elements): Node(try elements.map(node), Tag(.seq), elements.isEmpty ? .flow : .block)
    case .object(let object):
      Node(
        try object.keys.sorted().map { (string($0), try node(object[$0] ?? .null)) }, Tag(.map),
        object.isEmpty ? .flow : .block)
    }
  }

  private static func number(_ number: JSONNumber) -> Node {
    let plain = Node(number.description)
    let name = Resolver.default.resolveTag(of: plain)
    if name == .int || name == .float { return Node(number.description, Tag(name)) }
    // `1e5` is a number in JSON and text in YAML 1.1, which wants a point and a sign.
    let text = number.double.map { value in
      String(describing: value).replacing("e", with: value.magnitude >= 1 ? "e+" : "e").replacing("e++", with: "e+")
        .replacing("e+-", with: "e-")
    }
    return Node(text ?? number.description, Tag(.float))
  }

  private static func string(_ text: String) -> Node {
    let plain = Node(text)
    // Other readers take more words for something else than text than this one does.
    let ambiguous = ["y", "n", "=", "<<"].contains(text.lowercased()) || text.hasPrefix("0o")
    if ambiguous || Resolver.default.resolveTag(of: plain) != .str {
      return Node(text, Tag(.str), .doubleQuoted)
    }
    return Node(text, Tag(.str), text.contains("\n") ? .literal : .any)
  }
}
