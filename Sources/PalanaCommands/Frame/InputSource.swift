import NIOPosix
import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Bytes from a file descriptor, read on a thread that may block and given up at once when the reading task is cancelled.
///
/// Not through a NIO channel: that would set the descriptor to non-blocking, and a terminal's or a pipe's descriptor is shared
/// with the shell that started us. Waiting happens in `poll`, together with a pipe that wakes it.
struct InputSource: Sendable {
  private let descriptor: Int32

  init(descriptor: Int32) { self.descriptor = descriptor }

  /// The descriptor itself, for terminal settings.
  var rawDescriptor: Int32 { descriptor }

  /// The next bytes, up to 64 KiB; nil at the end of the input.
  /// - Throws: `CancellationError`; ``PalanaError`` with code `failed` when reading fails.
  func next() async throws -> [UInt8]? {
    try Task.checkCancellation()
    let wake = try WakePipe()
    let descriptor = descriptor
    return try await withTaskCancellationHandler {
      try await NIOThreadPool.singleton.runIfActive { try Self.blockingRead(descriptor, wake: wake) }
    } onCancel: {
      wake.ring()
    }
  }

  /// Everything up to the end.
  /// - Throws: ``PalanaError`` with code `invalid` past `limit` bytes; otherwise as ``next()``.
  func all(limit: Int) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    while let more = try await next() {
      bytes += more
      guard bytes.count <= limit else {
        throw PalanaError(.invalid, "the input has more than \(limit) bytes")
      }
    }
    return bytes
  }

  private static func blockingRead(_ descriptor: Int32, wake: WakePipe) throws -> [UInt8]? {
    while true {
      var waiting = [
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: wake.readEnd, events: Int16(POLLIN), revents: 0),
      ]
      guard unsafe poll(&waiting, 2, -1) >= 0 else {
        if errno == EINTR { continue }
        throw PalanaError(.failed, "cannot wait for input: \(SystemText.of(errno))")
      }
      if waiting[1].revents != 0 { throw CancellationError() }
      var buffer = [UInt8](repeating: 0, count: 65_536)
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if count > 0 { return Array(buffer[..<count]) }
      if count == 0 { return nil }
      switch errno {
      case EINTR, EAGAIN: continue
      // A terminal whose other end is gone, or one that a background process may not read: the same as its end.
      case EIO: return nil
      default: throw PalanaError(.failed, "cannot read the input: \(SystemText.of(errno))")
      }
    }
  }
}

/// A pipe whose only message is “stop waiting”.
private final class WakePipe: Sendable {
  let readEnd: Int32
  private let writeEnd: Int32

  init() throws {
    var ends: [Int32] = [0, 0]
    guard unsafe pipe(&ends) == 0 else {
      throw PalanaError(.failed, "cannot make a pipe: \(SystemText.of(errno))")
    }
    readEnd = ends[0]
    writeEnd = ends[1]
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  /// Makes the read end readable for good. Safe from any thread.
  func ring() {
    let byte: [UInt8] = [1]
    _ = unsafe byte.withUnsafeBytes { unsafe write(writeEnd, $0.baseAddress, 1) }
  }
}
