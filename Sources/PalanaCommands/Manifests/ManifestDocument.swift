import PalanaCore

/// One document of a file of manifests, with where its parts stand.
struct ManifestDocument: Sendable {
  /// The file's name; `standard input` for `-`.
  var file: String
  /// From 1.
  var number: Int
  /// How many documents the file has.
  var count: Int
  var value: JSONValue
  /// Lines, from 1, by path (`spec.ports[0].port`); the document's own first line under the empty path.
  var lines: [String: Int]

  /// An error of this document that says where.
  /// - Parameter error: with paths of fields in front of its sentences, as validation writes them.
  func located(_ error: PalanaError) -> PalanaError {
    let path = error.message.prefix { $0 != ":" }
    let line = error.message.contains(": ") ? line(of: String(path)) : lines[""]
    let place =
      file + (count > 1 ? ", document \(number)" : "") + (line.map { ", line \($0)" } ?? "")
    return PalanaError(error.code, "\(place): \(error.message)", hint: error.hint)
  }

  /// The line of a field, or of the nearest thing around it that is there.
  func line(of path: String) -> Int? {
    var rest = path[...]
    while true {
      if let line = lines[String(rest)] { return line }
      guard let cut = rest.lastIndex(where: { $0 == "." || $0 == "[" }) else { return lines[""] }
      rest = rest[..<cut]
    }
  }
}
