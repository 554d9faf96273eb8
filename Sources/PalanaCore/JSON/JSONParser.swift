extension JSONValue {
  /// Reads one JSON document (RFC 8259). Stricter than the standard: a name that stands twice is refused, and nesting ends at 64 levels.
  /// - Throws: ``PalanaError`` with code `invalid` that says line and column.
  package init(parsing bytes: [UInt8]) throws(PalanaError) {
    throw PalanaError(.failed, "not built yet")
  }
}
