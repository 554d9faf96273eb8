import Glibc
import NIOPosix
import PalanaCore
import Synchronization

/// What the server says: into a file of bounded size, and its last lines in memory for error messages.
final class OpenBaoLog: Sendable {
  private struct State {
    var size: Int?
    var tail: [UInt8] = []
  }

  private let path: String
  private let limit: Int
  private let state = Mutex(State())

  /// - Parameter limit: bytes of the file; when they are reached it becomes `PATH.1` and a new one begins.
  init(path: String, limit: Int) {
    self.path = path
    self.limit = limit
  }

  /// Adds output. A log that cannot be written does not stop the server: the tail in memory goes on.
  func append(_ bytes: [UInt8]) async {
    _ = try? await NIOThreadPool.singleton.runIfActive { self.appendNow(bytes) }
  }

  /// The last lines, without control characters and without anything that looks like a token.
  func tail(lines: Int = 5) -> String {
    let bytes = state.withLock { $0.tail }
    let text = String(decoding: bytes, as: UTF8.self)
    return text.split(whereSeparator: \.isNewline).suffix(lines).map { Self.masked($0) }.joined(separator: " | ")
  }

  /// Forgets the lines of an earlier server.
  func clearTail() { state.withLock { $0.tail = [] } }

  private func appendNow(_ bytes: [UInt8]) {
    state.withLock { state in
      state.tail.append(contentsOf: bytes)
      if state.tail.count > 8192 { state.tail.removeFirst(state.tail.count - 8192) }
      var status = stat()
      var size = state.size ?? (unsafe stat(path, &status) == 0 ? Int(status.st_size) : 0)
      if size + bytes.count > limit {
        _ = unsafe rename(path, path + ".1")
        size = 0
      }
      let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
      guard descriptor >= 0 else { return }
      let count = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, min($0.count, limit)) }
      close(descriptor)
      state.size = size + max(count, 0)
    }
  }

  /// The server does not log credentials; should a version do it, this keeps them out of messages. Its tokens are a short
  /// prefix, a dot and twenty characters or more without any further dot.
  private static func masked(_ line: Substring) -> String {
    line.split(separator: " ", omittingEmptySubsequences: false).map { word in
      let clean = String(String.UnicodeScalarView(word.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }))
      let parts = clean.split(separator: ".", omittingEmptySubsequences: false)
      let isToken = parts.count == 2 && parts[0].count <= 12 && parts[1].count >= 20
      return isToken ? "‹redacted›" : clean
    }.joined(separator: " ")
  }
}
