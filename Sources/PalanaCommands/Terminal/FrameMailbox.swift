import NIOCore
import Synchronization

/// Frames on their way to the server: several senders, one reader, at most `capacity` waiting. A sender waits while it is full, so
/// that a fast local input does not fill the memory when the agent reads slowly.
final class FrameMailbox: Sendable {
  private struct State {
    var waiting: [ByteBuffer] = []
    var isFinished = false
    var reader: CheckedContinuation<ByteBuffer?, Never>?
    var senders: [(id: UInt64, resume: CheckedContinuation<Void, Never>)] = []
    var cancelled: Set<UInt64> = []
    var nextID: UInt64 = 0
  }

  private let state = Mutex(State())
  private let capacity: Int

  init(capacity: Int = 8) { self.capacity = capacity }

  /// Puts `bytes` in, waiting for room. Returns at once, without effect, after ``finish()``.
  /// - Throws: `CancellationError`.
  func send(_ bytes: [UInt8]) async throws {
    try await room()
    let reader = state.withLock { state -> CheckedContinuation<ByteBuffer?, Never>? in
      guard !state.isFinished else { return nil }
      if let reader = state.reader {
        state.reader = nil
        return reader
      }
      state.waiting.append(ByteBuffer(bytes: bytes))
      return nil
    }
    reader?.resume(returning: ByteBuffer(bytes: bytes))
  }

  /// Ends the stream: the reader gets what waits, then the end; senders return.
  func finish() {
    let (reader, senders) = state.withLock { state in
      state.isFinished = true
      defer {
        state.reader = nil
        state.senders = []
      }
      return (state.reader, state.senders)
    }
    reader?.resume(returning: nil)
    for sender in senders { sender.resume.resume() }
  }

  private func room() async throws {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isFree = state.withLock { state in
          if state.isFinished || state.waiting.count < capacity || state.cancelled.remove(id) != nil { return true }
          state.senders.append((id, continuation))
          return false
        }
        if isFree { continuation.resume() }
      }
    } onCancel: {
      let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
        guard let index = state.senders.firstIndex(where: { $0.id == id }) else {
          state.cancelled.insert(id)
          return nil
        }
        return state.senders.remove(at: index).resume
      }
      waiting?.resume()
    }
    try Task.checkCancellation()
  }

  fileprivate func next() async -> ByteBuffer? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        enum Step { case give(ByteBuffer?), wait }
        var freed: CheckedContinuation<Void, Never>?
        let step = state.withLock { state -> Step in
          if !state.waiting.isEmpty {
            let buffer = state.waiting.removeFirst()
            if !state.senders.isEmpty { freed = state.senders.removeFirst().resume }
            return .give(buffer)
          }
          if state.isFinished { return .give(nil) }
          state.reader = continuation
          return .wait
        }
        freed?.resume()
        if case .give(let buffer) = step { continuation.resume(returning: buffer) }
      }
    } onCancel: {
      finish()
    }
  }
}

extension FrameMailbox: AsyncSequence {
  /// Takes frames out in order.
  struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate let mailbox: FrameMailbox
    /// The next frame; nil at the end.
    func next() async -> ByteBuffer? { await mailbox.next() }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(mailbox: self) }
}
