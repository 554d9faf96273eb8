import PalanaCore
import PalanaPolicy

/// Names such as `5.0.18.198.in-addr.arpa` (RFC 1035 §3.5).
enum ReverseName {
  private static let suffix = ".in-addr.arpa"

  /// The address whose name is asked for; nil for every other name.
  static func address(in host: CanonicalHost) -> IPAddress? {
    let text = host.description
    guard text.hasSuffix(suffix) else { return nil }
    let labels = text.dropLast(suffix.count).split(separator: ".", omittingEmptySubsequences: false)
    guard labels.count == 4 else { return nil }
    return IPAddress(labels.reversed().joined(separator: "."))
  }
}
