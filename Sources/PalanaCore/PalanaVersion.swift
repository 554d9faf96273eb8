/// The version of this build: of the programs, the control API's document and what they say on the wire.
package enum PalanaVersion {
  /// Semantic version, without a `v`.
  package static let current = "0.1.0"
}
