import PalanaCore

/// The shapes that texts in resources may have. Plain questions about bytes, no regular expressions.
enum TextShape {
  /// An ASCII letter or digit, or one of `others`; false for nil.
  static func isAlphanumeric(_ byte: UInt8?, or others: StaticString = "") -> Bool {
    guard let byte else { return false }
    if (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) { return true }
    return others.description.utf8.contains(byte)
  }

  /// `[A-Za-z_][A-Za-z0-9_]*` of at most `limit` bytes: the name of an environment variable or a secret.
  static func isIdentifier(_ text: String, limit: Int) -> Bool {
    guard (1...limit).contains(text.utf8.count), let first = text.utf8.first, !(48...57).contains(first) else {
      return false
    }
    return text.utf8.allSatisfy { isAlphanumeric($0, or: "_") }
  }

  /// A token of RFC 9110, section 5.6.2, without lower-case letters: the name of a method.
  static func isMethod(_ text: String) -> Bool {
    (1...32).contains(text.utf8.count)
      && text.utf8.allSatisfy { isAlphanumeric($0, or: "!#$%&'*+-.^_`|~") && !(97...122).contains($0) }
  }

  /// Kubernetes' shape of the value of a label: letters, digits, `-`, `_`, `.`, at most 63, alphanumeric at both ends.
  static func isLabelText(_ text: some StringProtocol) -> Bool {
    let bytes = Array(text.utf8)
    return (1...63).contains(bytes.count) && isAlphanumeric(bytes.first) && isAlphanumeric(bytes.last)
      && bytes.allSatisfy { isAlphanumeric($0, or: "-_.") }
  }

  /// The key of a label or an annotation, `[PREFIX/]NAME`.
  static func isLabelKey(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    switch parts.count {
    case 1: return isLabelText(parts[0])
    case 2:
      return parts[0].utf8.count <= 253 && isLabelText(parts[1])
        && parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy(isLabelText)
    default: return false
    }
  }

  /// An absolute path inside the sandbox.
  static func isAbsolutePath(_ text: String) -> Bool {
    text.hasPrefix("/") && text.utf8.count <= 4096 && !hasControl(text) && !text.split(separator: "/").contains("..")
  }

  static func hasControl(_ text: String) -> Bool { text.utf8.contains { $0 < 0x20 || $0 == 0x7f } }
}

/// Collects the problems of one object.
struct Problems {
  private(set) var list: [FieldError] = []

  mutating func add(_ path: String, _ message: String) { list.append(FieldError(path, message)) }

  mutating func require(_ condition: Bool, _ path: String, _ message: @autoclosure () -> String) {
    if !condition { add(path, message()) }
  }

  /// A name of a resource.
  mutating func name(_ text: String?, _ path: String) {
    guard let text else { return }
    if (try? ResourceName(text)) == nil {
      add(path, "a name has 1 to 40 lower-case letters, digits and dashes, and starts and ends with a letter or digit")
    }
  }

  /// Each entry at most once.
  mutating func unique<Item: Hashable>(_ items: [Item], _ path: String, _ what: String) {
    var seen: Set<Item> = []
    for (index, item) in items.enumerated() where !seen.insert(item).inserted {
      add("\(path)[\(index)]", "\(what) stands twice")
    }
  }

  mutating func ports(_ ports: [Int], _ path: String) {
    require(ports.count <= 64, path, "at most 64 ports")
    for (index, port) in ports.enumerated() {
      require((1...65_535).contains(port), "\(path)[\(index)]", "a port is 1 to 65535")
    }
    unique(ports, path, "the port")
  }
}
