import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file for the person alone.
enum PrivateFile {
  /// Replaces the file at once and as a whole; its mode is 0600 from the beginning.
  /// - Throws: ``PalanaError``.
  static func write(_ bytes: [UInt8], to path: String) throws {
    let fresh = "\(path).\(RandomToken.hex(bytes: 4))"
    // Exclusive: what somebody else has put there is not written through.
    let descriptor = unsafe open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw LocalFile.error(path, errno) }
    var problem: Int32?
    var rest = bytes[...]
    while !rest.isEmpty, problem == nil {
      let count = unsafe rest.withUnsafeBytes { unsafe systemWrite(descriptor, $0.baseAddress, $0.count) }
      if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { problem = errno }
    }
    if close(descriptor) != 0, problem == nil { problem = errno }
    if problem == nil, unsafe rename(fresh, path) != 0 { problem = errno }
    guard let problem else { return }
    unsafe unlink(fresh)
    throw LocalFile.error(path, problem)
  }
}

/// `write(2)` under a name that does not collide with ours.
private let systemWrite: @Sendable (Int32, UnsafeRawPointer?, Int) -> Int = unsafe write
