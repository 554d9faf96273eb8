/// The version of this program.
enum PCLIVersion {
  /// Semantic version, without a `v`.
  static let text = "0.1.0"
}
