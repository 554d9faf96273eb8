import PalanaAPI
package import PalanaCore

/// Where the images of agents may come from: prefixes of references, such as `registry.example.com/agents`.
package struct AllowedImages: Hashable, Sendable {
  /// Empty: from everywhere.
  private let prefixes: [String]
  /// What stands for the image `host`, and the platform's own: always allowed.
  private let own: [String]

  /// - Throws: ``PalanaError`` with code `invalid` for a prefix that does not begin with a registry.
  package init(prefixes: [String] = [], own: [String] = []) throws(PalanaError) {
    for prefix in prefixes {
      let registry = prefix.prefix { $0 != "/" }
      guard registry.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") }) || registry == "localhost",
        !prefix.utf8.contains(where: { $0 <= 32 || $0 >= 127 })
      else {
        throw PalanaError(.invalid, "‘\(prefix.prefix(200))’ does not begin with a registry", hint: "such as registry.example.com/agents")
      }
    }
    self.prefixes = prefixes
    self.own = own
  }

  /// - Parameter image: of an agent; nil and empty: its template's.
  func problem(_ image: String?, _ path: String) -> AdmissionRefusal? {
    guard let image, !image.isEmpty, image != "host" else { return nil }
    let reference = ExactText.hasPrefix(image, "docker://") ? String(image.utf8.dropFirst("docker://".utf8.count)) ?? image : image
    return allows(reference) ? nil : .forbidden("\(path): \(sentence(image))")
  }

  func sentence(_ image: String) -> String {
    "images come from \(prefixes.joined(separator: ", ")), not ‘\(image.prefix(200))’"
  }

  /// Of a pod, as the kubelet reads it.
  func allows(_ image: String) -> Bool {
    if prefixes.isEmpty { return true }
    if own.contains(where: { ExactText.isSame(image, $0) }) { return true }
    let whole = Array(Self.whole(image).utf8)
    return prefixes.contains { prefix in
      let begin = Array(prefix.utf8)
      guard whole.starts(with: begin), whole.count > begin.count else { return false }
      // `registry.example.com` is not the beginning of `registry.example.com.evil.test`.
      return begin.last == UInt8(ascii: "/") || Array("/:@".utf8).contains(whole[begin.count])
    }
  }

  /// With the registry that the kubelet takes when none is named: what stands before the first slash is one if it has a dot or a port.
  private static func whole(_ image: String) -> String {
    let parts = image.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return "docker.io/library/\(image)" }
    let isRegistry = parts[0] == "localhost" || parts[0].utf8.contains { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") }
    return isRegistry ? image : "docker.io/\(image)"
  }
}
