package import PalanaCore

/// Where the files of an agent come from.
package enum ImageReference: Hashable, Sendable {
  /// The machine's own `/usr`, read-only.
  case host
  /// An archive of one OCI image, absolute path.
  case archive(path: String)
  /// A directory in OCI image layout, absolute path.
  case layout(path: String, tag: String?)
  /// `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`.
  case registry(String)

  /// - Throws: ``PalanaError`` with code `invalid` that says what is wrong.
  package init(_ text: String) throws(PalanaError) {
    throw PalanaError(.failed, "not built yet")
  }
}
