package import PalanaCore

/// Where the files of an agent come from.
package enum ImageReference: Hashable, Sendable, CustomStringConvertible {
  /// The machine's own `/usr`, read-only.
  case host
  /// An archive of one OCI image, absolute path.
  case archive(path: String)
  /// A directory in OCI image layout, absolute path.
  case layout(path: String, tag: String?)
  /// `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`.
  case registry(String)

  /// Reads `host`, `oci-archive:PATH`, `oci:PATH[:TAG]`, or a registry reference (also behind `docker://`).
  /// - Throws: ``PalanaError`` with code `invalid` that says what is wrong.
  package init(_ text: String) throws(PalanaError) {
    func fail(_ why: String) -> PalanaError {
      PalanaError(
        .invalid, "‘\(text.prefix(80))’ is not an image: \(why)",
        hint:
          "write host, oci-archive:/PATH, oci:/PATH[:TAG] or a registry reference such as docker.io/library/python:3.12"
      )
    }
    guard !text.isEmpty, text.utf8.count <= 1024 else { throw fail("it has 1 to 1024 bytes") }
    if text == "host" {
      self = .host
    } else if text.hasPrefix("oci-archive:") {
      let path = String(text.dropFirst("oci-archive:".count))
      guard Self.isPath(path) else { throw fail("the path must be absolute, without ‘..’ and ‘:’") }
      self = .archive(path: path)
    } else if text.hasPrefix("oci:") {
      let parts = text.dropFirst("oci:".count).split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard Self.isPath(String(parts[0])) else { throw fail("the path must be absolute, without ‘..’") }
      let tag = parts.count == 2 ? String(parts[1]) : nil
      guard tag.map(Self.isTag) ?? true else { throw fail("the tag is malformed") }
      self = .layout(path: String(parts[0]), tag: tag)
    } else {
      let reference = text.hasPrefix("docker://") ? String(text.dropFirst("docker://".count)) : text
      if let why = Self.problem(ofRegistry: reference) { throw fail(why) }
      self = .registry(reference)
    }
  }

  package var description: String {
    switch self {
    case .host: "host"
    case .archive(let path): "oci-archive:\(path)"
    case .layout(let path, let tag): "oci:\(path)" + (tag.map { ":\($0)" } ?? "")
    case .registry(let reference): reference
    }
  }

  private static func isPath(_ path: String) -> Bool {
    path.hasPrefix("/") && path.utf8.count > 1
      && path.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: ":") }
      && !path.split(separator: "/").contains("..")
  }

  private static func isTag(_ tag: String) -> Bool {
    (1...128).contains(tag.utf8.count) && TextShape.isAlphanumeric(tag.utf8.first, or: "_")
      && tag.utf8.allSatisfy { TextShape.isAlphanumeric($0, or: "._-") }
  }

  private static func problem(ofRegistry text: String) -> String? {
    var rest = text[...]
    if let at = rest.firstIndex(of: "@") {
      let digest = rest[rest.index(after: at)...].split(separator: ":", omittingEmptySubsequences: false)
      let lengths = ["sha256": 64, "sha512": 128]
      guard digest.count == 2, let length = lengths[String(digest[0])], digest[1].utf8.count == length,
        digest[1].utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
      else { return "the digest is malformed" }
      rest = rest[..<at]
    }
    var parts = rest.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    // The first part is a registry only when it looks like one; `python:3.12` has a tag, not a port.
    if parts.count > 1, let first = parts.first, first.contains(".") || first.contains(":") || first == "localhost" {
      guard isRegistryHost(first) else { return "the registry's name is malformed" }
      parts.removeFirst()
    }
    if let last = parts.last, let colon = last.firstIndex(of: ":") {
      guard isTag(String(last[last.index(after: colon)...])) else { return "the tag is malformed" }
      parts[parts.count - 1] = String(last[..<colon])
    }
    guard !parts.isEmpty, parts.allSatisfy(isRepositoryPart) else {
      return "a repository has lower-case letters, digits, and single ‘.’, ‘_’ or ‘-’ between them"
    }
    return nil
  }

  private static func isRegistryHost(_ text: String) -> Bool {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let host = parts.first, !host.isEmpty, host.utf8.count <= 253 else { return false }
    if parts.count == 2 { guard let port = Int(parts[1]), (1...65_535).contains(port) else { return false } }
    return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
      TextShape.isAlphanumeric(label.utf8.first) && TextShape.isAlphanumeric(label.utf8.last)
        && label.utf8.count <= 63 && label.utf8.allSatisfy { TextShape.isAlphanumeric($0, or: "-") }
    }
  }

  private static func isRepositoryPart(_ part: String) -> Bool {
    func isPlain(_ byte: UInt8?) -> Bool {
      byte.map { (48...57).contains($0) || (97...122).contains($0) } ?? false
    }
    return part.utf8.count <= 128 && isPlain(part.utf8.first) && isPlain(part.utf8.last)
      && part.utf8.allSatisfy { isPlain($0) || $0 == 46 || $0 == 95 || $0 == 45 } && !part.contains("..")
  }
}
