import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where the daemon's program is.
enum DaemonLocation {
  /// `PALANAD`, else `palanad` in the folder of this program.
  /// - Throws: ``PalanaError`` with code `notFound`.
  static func find(_ environment: [String: String]) throws(PalanaError) -> String {
    if let path = environment["PALANAD"], !path.isEmpty {
      guard isProgram(path) else {
        throw PalanaError(
          .notFound, "PALANAD names ‘\(path)’, which is no program", hint: "correct it, or unset PALANAD")
      }
      return LocalFile.absolute(path)
    }
    if let own = ownPath() {
      let path = PathText.parent(own) + "/palanad"
      if isProgram(path) { return path }
    }
    throw PalanaError(
      .notFound, "the daemon palanad is not beside pcli", hint: "run ./quickstart, or set PALANAD to its path")
  }

  private static func isProgram(_ path: String) -> Bool {
    guard LocalFile.kind(path) == .file else { return false }
    return unsafe access(path, X_OK) == 0
  }

  private static func ownPath() -> String? {
    guard let resolved = unsafe realpath("/proc/self/exe", nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }
}
