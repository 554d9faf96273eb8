import NIOPosix
import PalanaCore
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Somewhere bytes go in order: a file descriptor, or a buffer in tests.
struct ByteSink: Sendable {
  private let put: @Sendable ([UInt8]) async throws -> Void

  init(_ put: @escaping @Sendable ([UInt8]) async throws -> Void) { self.put = put }

  /// Writes all of `bytes`, however many calls that takes.
  /// - Throws: ``BrokenPipe`` when the reader is gone; ``PalanaError`` with code `failed` otherwise.
  func write(_ bytes: [UInt8]) async throws {
    guard !bytes.isEmpty else { return }
    try await put(bytes)
  }

  /// Writes `text` as UTF-8.
  func write(_ text: String) async throws { try await write(Array(text.utf8)) }

  /// Writes to `descriptor` from a thread that may block, because a full pipe or a stopped terminal blocks.
  static func descriptor(_ descriptor: Int32) -> ByteSink {
    ByteSink { bytes in
      try await NIOThreadPool.singleton.runIfActive { try DescriptorWriter.writeAll(bytes, to: descriptor) }
    }
  }
}

/// The reader of our output has gone (`pcli list | head -1`): end in silence, as a program killed by SIGPIPE would.
struct BrokenPipe: Error {}

/// Blocking writes.
enum DescriptorWriter {
  /// Writes all of `bytes` to `descriptor`, waiting where it is set to non-blocking.
  static func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws {
    var offset = 0
    while offset < bytes.count {
      let written = unsafe bytes[offset...].withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
      if written >= 0 {
        offset += written
        continue
      }
      switch errno {
      case EINTR: continue
      case EAGAIN:
        var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        unsafe poll(&ready, 1, -1)
      case EPIPE: throw BrokenPipe()
      default: throw PalanaError(.failed, "cannot write: \(SystemText.of(errno))")
      }
    }
  }
}

/// The operating system's words for its error numbers.
enum SystemText {
  /// For example `No space left on device`.
  static func of(_ number: Int32) -> String {
    guard let text = unsafe strerror(number) else { return "error \(number)" }
    return unsafe String(cString: text)
  }
}

/// A sink that keeps what it is given, for tests and for finding out what a command would print.
final class ByteBufferSink: Sendable {
  private let bytes = Mutex<[UInt8]>([])

  /// The sink itself.
  var sink: ByteSink { ByteSink { [self] in append($0) } }
  /// Everything written so far, as text.
  var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
  /// Everything written so far.
  var contents: [UInt8] { bytes.withLock { $0 } }

  private func append(_ more: [UInt8]) { bytes.withLock { $0 += more } }
}
