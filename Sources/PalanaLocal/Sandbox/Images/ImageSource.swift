import Crypto
import Glibc
import PalanaCore

/// Where an image comes from, in the forms of an agent's `image` field other than `host`.
struct ImageSource: Hashable, Sendable {
  /// The reference as the agent writes it.
  let reference: String
  /// What skopeo copies from.
  let skopeo: String
  /// The file or folder on this machine; nil: a registry.
  let path: String?

  /// - Throws: ``PalanaError`` with code `invalid`.
  init(_ reference: String) throws(PalanaError) {
    self.reference = reference
    for scheme in ["oci-archive:", "oci:"] where reference.hasPrefix(scheme) {
      let rest = reference.dropFirst(scheme.count)
      guard rest.hasPrefix("/") else {
        throw PalanaError(.invalid, "the image ‘\(reference.prefix(100))’ needs an absolute path")
      }
      skopeo = reference
      path = String(rest.prefix { $0 != ":" })
      return
    }
    let bad = reference.isEmpty || reference.contains("://") || reference.utf8.contains { $0 <= 32 || $0 >= 127 }
    guard !bad else { throw PalanaError(.invalid, "‘\(reference.prefix(100))’ is not an image reference") }
    skopeo = "docker://" + reference
    path = nil
  }

  /// Changes when what stands there changes; nil: nothing stands there. A registry's contents count as unchanged: an
  /// agent that restarts runs what it ran before.
  var stamp: String? {
    guard let path else { return "registry" }
    var status = stat()
    var file = path
    if unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { file = path + "/index.json" }
    guard unsafe stat(file, &status) == 0 else { return nil }
    return "\(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
  }

  /// A file name for what is remembered of this reference.
  var key: String {
    SHA256.hash(data: Array(reference.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// What a tool's failure means to whoever wrote the reference.
  func error(_ text: String) -> PalanaError {
    let lower = text.lowercased()
    func says(_ words: String...) -> Bool { words.contains { lower.contains($0) } }
    let last = text.split(separator: "\n").last.map(String.init) ?? text
    let name = reference.prefix(200)
    if says("no space left") {
      return PalanaError(.failed, "there is no space for the image \(name)", hint: "free some, or prune unused images")
    }
    if path != nil {
      let code: PalanaError.Code =
        says("no such file", "not found", "no descriptor", "cannot find") ? .notFound : .invalid
      return PalanaError(code, "the image \(name) cannot be read: \(last)", hint: "check the path and the tag")
    }
    if says("no such host", "dial tcp", "connection refused", "timeout", "unreachable", "tls handshake", "eof") {
      return PalanaError(
        .unreachable, "the registry of \(name) cannot be reached: \(last)",
        hint: "check the network, or bring the image as a file: skopeo copy docker://… oci-archive:FILE")
    }
    if says("manifest unknown", "name unknown", "not found", "unauthorized", "denied", "does not exist") {
      return PalanaError(
        .notFound, "there is no image \(name), or it is not public: \(last)", hint: "check the name and the tag")
    }
    return PalanaError(.failed, "the image \(name) cannot be had: \(last)")
  }
}
