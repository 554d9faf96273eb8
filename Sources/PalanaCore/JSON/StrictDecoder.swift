/// Decodes a `Decodable` type from a ``JSONValue`` and refuses what the type does not know.
package enum StrictDecoder {
  /// - Parameter path: what stands in front of every field in errors, for example `spec`.
  /// - Throws: ``PalanaError`` with code `invalid` that names each wrong field with its full path.
  package static func decode<T: Decodable>(
    _ type: T.Type, from value: JSONValue, at path: String = ""
  ) throws(PalanaError) -> T {
    throw PalanaError(.failed, "not built yet")
  }
}
