import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A folder below which files are made by names that are not trusted.
///
/// Every step of a path is opened by itself, relative to the one before and never through a symbolic link, so that neither a link in the
/// archive nor one that somebody slips in meanwhile can lead outside.
final class SafeFolder {
  private let root: Int32
  /// For messages.
  let path: String

  /// - Throws: ``PalanaError`` when `path` is no folder that can be opened.
  init(_ path: String) throws {
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw LocalFile.error(path, errno) }
    root = descriptor
    self.path = path
  }

  deinit { close(root) }

  /// Makes a folder and the ones above it; one that is there stays.
  /// - Throws: ``PalanaError`` with code `denied` when a step is something else than a folder.
  func makeDirectory(_ parts: [String], mode: UInt32) throws {
    try withParent(of: parts) { parent, name in
      if unsafe mkdirat(parent, name, 0o700) == 0 {
        // The agent's own bits, but ours stay able to write below.
        _ = unsafe fchmodat(parent, name, mode_t(mode & 0o777 | 0o700), 0)
        return
      }
      guard errno == EEXIST else { throw error(parts, errno) }
      let descriptor = unsafe openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      guard descriptor >= 0 else { throw blocked(parts) }
      close(descriptor)
    }
  }

  /// Makes an empty file in place of whatever file or link stood there, and returns its descriptor, which the caller closes.
  func makeFile(_ parts: [String], mode: UInt32) throws -> Int32 {
    try withParent(of: parts) { parent, name in
      try clear(parent, name, parts)
      let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
      // Never set-user-ID and the like: the file now belongs to who copies, not to the agent.
      let descriptor = unsafe openat(parent, name, flags, mode_t(mode & 0o777))
      guard descriptor >= 0 else { throw error(parts, errno) }
      return descriptor
    }
  }

  /// Opens a regular file for reading; the caller closes it.
  func openFile(_ parts: [String]) throws -> Int32 {
    try withParent(of: parts) { parent, name in
      let descriptor = unsafe openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
      guard descriptor >= 0 else { throw error(parts, errno) }
      var status = stat()
      guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        close(descriptor)
        throw blocked(parts)
      }
      return descriptor
    }
  }

  /// Makes a symbolic link in place of whatever file or link stood there. The caller has judged the target.
  func makeLink(_ parts: [String], to target: String) throws {
    try withParent(of: parts) { parent, name in
      try clear(parent, name, parts)
      guard unsafe symlinkat(target, parent, name) == 0 else { throw error(parts, errno) }
    }
  }

  private func clear(_ parent: Int32, _ name: String, _ parts: [String]) throws {
    guard unsafe unlinkat(parent, name, 0) != 0, errno != ENOENT else { return }
    if errno == EISDIR || errno == EPERM {
      throw PalanaError(.conflict, "\(shown(parts)) is a folder here and a file there")
    }
    throw error(parts, errno)
  }

  private func withParent<Value>(of parts: [String], _ body: (Int32, String) throws -> Value) throws -> Value {
    guard let name = parts.last else { throw PalanaError(.failed, "a path without a name") }
    var parent = root
    defer { if parent != root { close(parent) } }
    for part in parts.dropLast() {
      var next = unsafe openat(parent, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      if next < 0, errno == ENOENT {
        guard unsafe mkdirat(parent, part, 0o755) == 0 || errno == EEXIST else { throw error(parts, errno) }
        next = unsafe openat(parent, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      }
      guard next >= 0 else { throw blocked(parts) }
      if parent != root { close(parent) }
      parent = next
    }
    return try body(parent, name)
  }

  private func blocked(_ parts: [String]) -> PalanaError {
    PalanaError(
      .denied, "\(shown(parts)) is refused: a step of the path is a link or no folder",
      hint: "nothing was written through it; choose an empty target folder")
  }

  private func error(_ parts: [String], _ number: Int32) -> PalanaError { LocalFile.error(shown(parts), number) }

  private func shown(_ parts: [String]) -> String { path + "/" + parts.joined(separator: "/") }
}
