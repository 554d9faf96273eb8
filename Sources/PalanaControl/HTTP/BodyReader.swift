import Hummingbird
import NIOCore
import PalanaControlAPI
import PalanaCore
import Synchronization

/// A body that is pulled piece by piece or frame by frame, so that the sender waits for whoever uses it.
///
/// Unchecked, because the iterator of a body is not `Sendable`: it is taken out under the lock for the time of one call
/// and put back afterwards, so it never has two users. A second call meanwhile finds nothing and reads as the end.
final class BodyReader: @unchecked Sendable {
  private struct State {
    var iterator: RequestBody.AsyncIterator
    var decoder = ExecFrameDecoder()
  }

  private let lock = Mutex(())
  private var state: State?

  init(_ body: RequestBody) { state = State(iterator: body.makeAsyncIterator()) }

  /// The raw pieces.
  var pieces: AsyncThrowingStream<[UInt8], any Error> {
    AsyncThrowingStream { try await self.nextPiece() }
  }

  /// The frames. The stream throws ``PalanaError`` with code `invalid` for what is no frame, also when the body ends
  /// within one.
  var frames: AsyncThrowingStream<ExecFrame, any Error> {
    AsyncThrowingStream { try await self.nextFrame() }
  }

  @concurrent
  private func nextPiece() async throws -> [UInt8]? {
    guard var state = take() else { return nil }
    defer { put(state) }
    return try await state.iterator.next().map { Array($0.readableBytesView) }
  }

  @concurrent
  private func nextFrame() async throws -> ExecFrame? {
    guard var state = take() else { return nil }
    defer { put(state) }
    while true {
      if let frame = try state.decoder.next() { return frame }
      guard let piece = try await state.iterator.next() else {
        try state.decoder.finish()
        return nil
      }
      state.decoder.push(piece.readableBytesView)
    }
  }

  private func take() -> State? {
    lock.withLock { _ in
      defer { state = nil }
      return state
    }
  }

  private func put(_ state: State) { lock.withLock { _ in self.state = state } }
}
