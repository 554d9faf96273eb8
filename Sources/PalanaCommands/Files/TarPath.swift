import PalanaCore

/// Paths of tar members, which an agent chooses.
enum TarPath {
  /// The parts of a member's path, without `.`; empty for the root itself.
  ///
  /// - Throws: ``PalanaError`` with code `denied` for a path that is absolute or goes up: no honest archive of a folder has one.
  static func components(_ path: String) throws(PalanaError) -> [String] {
    func refuse(_ why: String) -> PalanaError {
      PalanaError(
        .denied, "the archive is refused: ‘\(path.prefix(120))’ \(why)",
        hint: "the agent may have tried to write outside the target; nothing outside was written")
    }
    guard !path.isEmpty else { throw refuse("is empty") }
    guard !path.hasPrefix("/") else { throw refuse("is absolute") }
    guard !path.utf8.contains(0) else { throw refuse("holds a NUL") }
    let parts = path.split(separator: "/").map(String.init).filter { $0 != "." }
    guard !parts.contains("..") else { throw refuse("goes up") }
    guard parts.count <= 256, parts.allSatisfy({ $0.utf8.count <= 255 }) else { throw refuse("is too long") }
    return parts
  }

  /// Whether a symbolic link that stands at `place` and points to `target` stays within the root, judged by names alone.
  static func staysInside(linkAt place: [String], target: String) -> Bool {
    guard !target.isEmpty, !target.hasPrefix("/"), !target.utf8.contains(0) else { return false }
    var depth = place.count - 1
    for part in target.split(separator: "/") where part != "." {
      if part == ".." {
        depth -= 1
        // Going up after going down is refused too: the folder gone down into may itself be a link.
        if depth < 0 { return false }
      } else {
        depth += 1
      }
    }
    return !goesUpAfterDown(target)
  }

  private static func goesUpAfterDown(_ target: String) -> Bool {
    var wentDown = false
    for part in target.split(separator: "/") where part != "." {
      if part == ".." { if wentDown { return true } } else { wentDown = true }
    }
    return false
  }
}
