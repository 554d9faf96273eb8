/// One problem of one field: `spec.resources.memory: at least 16Mi`.
package struct FieldError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  /// As a person writes it: `spec.ports[1].port`. Empty for the whole document.
  package var path: String
  package var message: String

  package init(_ path: String, _ message: String) {
    self.path = path
    self.message = message
  }

  package var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

extension PalanaError {
  /// One error with code `invalid` that lists every problem; nil when there is none.
  package init?(_ problems: [FieldError], hint: String = "") {
    guard !problems.isEmpty else { return nil }
    self.init(.invalid, problems.map(\.description).joined(separator: "; "), hint: hint)
  }
}
