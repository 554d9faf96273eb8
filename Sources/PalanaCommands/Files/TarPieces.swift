import NIOCore
import NIOPosix
import PalanaCore
import Synchronization

/// A local file or folder as a stream of tar, made on threads that may block. To be read once.
final class TarPieces: AsyncSequence, Sendable {
  // The writer is not safe from several threads; it is only touched under the lock.
  private let writer: Mutex<TarWriter>

  init(_ path: String, as name: String) { writer = Mutex(TarWriter(path, as: name)) }

  /// What was left out so far.
  var skipped: (count: Int, names: [String]) { writer.withLock { ($0.skippedCount, $0.skipped) } }

  /// Makes one piece after the other.
  struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate let pieces: TarPieces
    /// The next piece; nil at the end.
    func next() async throws -> ByteBuffer? {
      try await NIOThreadPool.singleton.runIfActive {
        try pieces.writer.withLock { try $0.next() }.map { ByteBuffer(bytes: $0) }
      }
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pieces: self) }
}
