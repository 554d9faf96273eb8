import Glibc
import NIOPosix
package import PalanaCore

/// The file that holds the bearer token of the TCP listener.
package enum ControlToken {
  /// Reads the token, or makes one (256 bits, file mode 0600) when there is no file. Blocking work runs off the event
  /// loops.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` when others may read the file or it holds no token, `failed` when it
  ///   cannot be read or written.
  package static func loadOrCreate(path: String) async throws(PalanaError) -> Redacted<String> {
    do {
      return try await NIOThreadPool.singleton.runIfActive { try read(path) ?? create(path) }
    } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.failed, "the control token could not be read")
    }
  }

  /// Nil when there is no file.
  private static func read(_ path: String) throws(PalanaError) -> Redacted<String>? {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else {
      if errno == ENOENT { return nil }
      throw PalanaError(.failed, "the control token at \(path) cannot be read: error \(errno)")
    }
    defer { close(file) }
    var status = stat()
    guard unsafe fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw PalanaError(.invalid, "\(path) is no ordinary file")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw PalanaError(.invalid, "others may read the control token at \(path)", hint: "chmod 600 \(path)")
    }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe Glibc.read(file, &bytes, bytes.count)
    guard count >= 0 else { throw PalanaError(.failed, "the control token at \(path) cannot be read: error \(errno)") }
    var text = bytes.prefix(count)[...]
    while let last = text.last, last == 10 || last == 13 { text.removeLast() }
    guard text.count >= 32, text.count < 4096, text.allSatisfy({ (33...126).contains($0) }) else {
      throw PalanaError(
        .invalid, "\(path) holds no token",
        hint: "at least 32 printable characters without spaces; delete it to get a new one")
    }
    return Redacted(String(decoding: text, as: UTF8.self))
  }

  private static func create(_ path: String) throws(PalanaError) -> Redacted<String> {
    let token = RandomToken.hex(bytes: 32)
    // Exclusive: a file that appears in between belongs to somebody else.
    let file = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw PalanaError(.failed, "the control token at \(path) cannot be made: error \(errno)") }
    defer { close(file) }
    let bytes = Array((token + "\n").utf8)
    guard unsafe write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0 else {
      throw PalanaError(.failed, "the control token at \(path) cannot be written: error \(errno)")
    }
    return Redacted(token)
  }
}
