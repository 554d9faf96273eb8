import NIOPosix
package import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Small files that hold credentials: written whole or not at all, readable by their owner only.
package enum SecretFile {
  /// Bytes of the largest file.
  package static let limit = 65_536

  /// The content of a file.
  ///
  /// - Parameter isPrivate: refuse it when others than its owner can read it.
  /// - Throws: ``PalanaError``: `notFound` when there is none, `failed` when it is too open, too large or unreadable.
  package static func read(_ path: String, isPrivate: Bool = true) async throws(PalanaError) -> Redacted<[UInt8]> {
    try await offPool { () throws(PalanaError) in try readNow(path, isPrivate: isPrivate) }
  }

  /// Writes a file with mode 0600 so that it holds the old content or the new after a crash, never a part.
  ///
  /// - Throws: ``PalanaError`` with code `failed`.
  package static func write(_ content: Redacted<[UInt8]>, to path: String) async throws(PalanaError) {
    try await offPool { () throws(PalanaError) in try writeNow(content, to: path) }
  }

  /// Removes a file; it is fine when there is none.
  package static func remove(_ path: String) async throws(PalanaError) {
    try await offPool { () throws(PalanaError) in
      guard unsafe unlink(path) == 0 || errno == ENOENT else { throw failure("removed", path) }
      try syncFolder(of: path)
    }
  }

  /// File calls block: they run on the pool that is made for it.
  private static func offPool<Value: Sendable>(
    _ body: @escaping @Sendable () throws(PalanaError) -> Value
  ) async throws(PalanaError) -> Value {
    do { return try await NIOThreadPool.singleton.runIfActive(body) } catch {
      throw error as? PalanaError ?? PalanaError(.failed, "the file operation was given up")
    }
  }

  private static func readNow(_ path: String, isPrivate: Bool) throws(PalanaError) -> Redacted<[UInt8]> {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
    guard descriptor >= 0 else {
      guard errno == ENOENT else { throw failure("opened", path) }
      throw PalanaError(.notFound, "the file \(path) does not exist")
    }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw failure("read", path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw PalanaError(.failed, "\(path) is not a plain file") }
    if isPrivate, status.st_mode & 0o077 != 0 || status.st_uid != geteuid() {
      throw PalanaError(
        .failed, "\(path) holds a credential and others can read it",
        hint: "chmod 600 \(path), then rotate the credential")
    }
    guard (0...Int64(limit)).contains(Int64(status.st_size)) else {
      throw PalanaError(.failed, "\(path) is larger than \(limit) bytes")
    }
    var bytes = [UInt8](repeating: 0, count: limit)
    var filled = 0
    while filled < limit {
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        // The slice ends where the buffer does, and `filled` is below its count.
        unsafe Glibc.read(descriptor, buffer.baseAddress.map { unsafe $0 + filled }, limit - filled)
      }
      if count == 0 { break }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw failure("read", path)
      }
      filled += count
    }
    return Redacted(Array(bytes.prefix(filled)))
  }

  private static func writeNow(_ content: Redacted<[UInt8]>, to path: String) throws(PalanaError) {
    let temporary = path + ".new"
    _ = unsafe unlink(temporary)
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("made", temporary) }
    var rest = content.reveal()[...]
    var failed = false
    while !rest.isEmpty, !failed {
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 { rest = rest.dropFirst(count) } else { failed = errno != EINTR }
    }
    failed = fsync(descriptor) != 0 || failed
    close(descriptor)
    guard !failed, unsafe rename(temporary, path) == 0 else {
      let error = failure("written", path)
      _ = unsafe unlink(temporary)
      throw error
    }
    try syncFolder(of: path)
  }

  /// Without this the name may be gone after a power loss though the content is safe.
  private static func syncFolder(of path: String) throws(PalanaError) {
    guard let slash = path.lastIndex(of: "/") else { return }
    let folder = slash == path.startIndex ? "/" : String(path[..<slash])
    let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("opened", folder) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("written", folder) }
  }

  private static func failure(_ what: String, _ path: String) -> PalanaError {
    let number = errno
    let words = unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
    return PalanaError(.failed, "\(path) could not be \(what): \(words)")
  }
}
