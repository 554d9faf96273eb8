import PalanaCore

/// One side of `pcli cp`.
enum CopyPlace: Hashable, Sendable {
  case local(String)
  /// Standard input or output, as a tar stream.
  case standard
  /// With an absolute path, without a slash at its end unless it is `/`.
  case agent(name: String, path: String, isFolder: Bool)

  /// Reads `AGENT:PATH`, `-`, or a local path. A local path with a colon is written with a slash before it (`./a:b`).
  /// - Throws: ``PalanaError`` with code `invalid`.
  init(_ text: String) throws(PalanaError) {
    if text == "-" {
      self = .standard
      return
    }
    guard let colon = text.firstIndex(of: ":"), !text[..<colon].contains("/") else {
      guard !text.isEmpty else { throw PalanaError(.invalid, "a path is empty") }
      self = .local(text)
      return
    }
    let name = try ResourceName(String(text[..<colon])).text
    var path = String(text[text.index(after: colon)...])
    if path.isEmpty { path = "/data/" }
    guard path.hasPrefix("/") else {
      throw PalanaError(
        .invalid, "the path in ‘\(text.prefix(120))’ is not absolute", hint: "write \(name):/data/\(path.prefix(60))")
    }
    let parts = path.split(separator: "/")
    guard !parts.contains("..") else { throw PalanaError(.invalid, "a path in an agent has no ‘..’") }
    self = .agent(
      name: name, path: "/" + parts.filter { $0 != "." }.joined(separator: "/"),
      isFolder: path.hasSuffix("/") || path.hasSuffix("/."))
  }
}

/// Parts of paths.
enum PathText {
  /// The last part, or nil for `/`, `.` and `..`, which name no entry.
  static func name(_ path: String) -> String? {
    guard let last = path.split(separator: "/").last.map(String.init), last != ".", last != ".." else { return nil }
    return last
  }

  /// Everything before the last part: `/` for `/a`, `.` for `a`.
  static func parent(_ path: String) -> String {
    var text = path[...]
    while text.count > 1, text.last == "/" { text.removeLast() }
    guard let slash = text.lastIndex(of: "/") else { return "." }
    return slash == text.startIndex ? "/" : String(text[..<slash])
  }
}
