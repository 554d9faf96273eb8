package import PalanaCore

/// One document of a file of manifests, with where its parts stand.
package struct ManifestDocument: Sendable {
  /// The file's name; `standard input` for `-`.
  package var file: String
  /// From 1.
  package var number: Int
  /// How many documents the file has.
  package var count: Int
  package var value: JSONValue
  /// Lines, from 1, by path (`spec.ports[0].port`); the document's own first line under the empty path.
  package var lines: [String: Int]

  /// An error of this document that says where.
  /// - Parameter error: with paths of fields in front of its sentences, as validation writes them.
  package func located(_ error: PalanaError) -> PalanaError {
    let path = error.message.prefix { $0 != ":" }
    let line = error.message.contains(": ") ? line(of: String(path)) : lines[""]
    let place =
      file + (count > 1 ? ", document \(number)" : "") + (line.map { ", line \($0)" } ?? "")
    return PalanaError(error.code, "\(place): \(error.message)", hint: error.hint)
  }

  /// The line of a field, or of the nearest thing around it that is there.
  package func line(of path: String) -> Int? {
    var rest = path[...]
    while true {
      if let line = lines[String(rest)] { return line }
      guard let cut = rest.lastIndex(where: { $0 == "." || $0 == "[" }) else { return lines[""] }
      rest = rest[..<cut]
    }
  }

  /// The parts of a list (`kind: List`, `AgentList`, …), or the document itself.
  package var unfolded: [ManifestDocument] {
    guard let kind = value["kind"]?.string, kind.hasSuffix("List"), let items = value["items"]?.array else { return [self] }
    return items.enumerated().map { index, item in
      var part = self
      part.value = item
      let prefix = "items[\(index)]"
      part.lines = [:]
      for (path, line) in lines where path.hasPrefix(prefix) {
        let rest = path.dropFirst(prefix.count)
        part.lines[String(rest.first == "." ? rest.dropFirst() : rest)] = line
      }
      return part
    }
  }

  /// The documents of one file. What starts like a JSON object is JSON, unless only YAML makes sense of it.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` that names file and line.
  package static func parse(_ bytes: [UInt8], file: String) throws(PalanaError) -> [ManifestDocument] {
    guard var text = String(validating: bytes, as: UTF8.self) else {
      throw PalanaError(.invalid, "\(file) is not text (UTF-8)")
    }
    if text.unicodeScalars.first == "\u{feff}" { text.unicodeScalars.removeFirst() }
    let first = text.unicodeScalars.first { !$0.properties.isWhitespace }
    if first == "{" || first == "[", let value = try? JSONValue(parsing: Array(text.utf8)) {
      // Lines come from the same text read as YAML, of which JSON is a part.
      let lines = (try? YAMLReader.documents(text, file: file))?.first?.lines ?? ["": 1]
      return [ManifestDocument(file: file, number: 1, count: 1, value: value, lines: lines)]
    }
    return try YAMLReader.documents(text, file: file)
  }
}
