import NIOCore
import PalanaAudit
import PalanaCore
import Synchronization

/// Between event loops, which never wait, and the one task that writes: bounded in memory.
final class ContentQueue: Sendable {
  /// Why a record was lost. A closed list: docs/llm-content-log.md says what each means.
  enum Loss: String, Sendable, CaseIterable {
    case memoryFull = "memory_full"
    case keyUnavailable = "key_unavailable"
    case notWritten = "not_written"
  }

  /// A record with the bytes that were taken for it.
  struct Waiting: Sendable {
    var record: ContentRecord
    var held: Int
  }

  private struct State {
    var waiting: [Waiting] = []
    var isFinished = false
    var lost: Int64 = 0
    /// Of those, what nobody asked for yet.
    var untold: Int64 = 0
    var why = Loss.memoryFull
  }

  let wake = WakeSignal()
  private let limit: Int
  private let held = Atomic<Int>(0)
  private let state = Mutex(State())

  /// - Parameter limit: of bytes that calls under way and waiting records take.
  init(limit: Int) { self.limit = limit }

  // MARK: Memory

  /// - Returns: whether there is room for so many bytes more.
  func take(_ bytes: Int) -> Bool {
    if held.add(bytes, ordering: .relaxed).newValue <= limit { return true }
    held.subtract(bytes, ordering: .relaxed)
    return false
  }

  func give(_ bytes: Int) { held.subtract(bytes, ordering: .relaxed) }

  var heldBytes: Int { held.load(ordering: .relaxed) }

  // MARK: Records

  /// Hands a record over. Its bytes stay taken until it was written.
  func offer(_ record: ContentRecord, holding bytes: Int) {
    let isTaken = state.withLock { state in
      guard !state.isFinished else { return false }
      state.waiting.append(Waiting(record: record, held: bytes))
      return true
    }
    guard isTaken else {
      give(bytes)
      return lose(.notWritten, 1)
    }
    wake.raise()
  }

  /// Everything that waits.
  func drain() -> [Waiting] {
    state.withLock { state in
      defer { state.waiting = [] }
      return state.waiting
    }
  }

  func finish() { state.withLock { $0.isFinished = true } }

  /// Whether there is something to write or to tell.
  var hasWork: Bool { state.withLock { !$0.waiting.isEmpty || $0.untold > 0 } }

  // MARK: Losses

  func lose(_ why: Loss, _ count: Int) {
    guard count > 0 else { return }
    state.withLock { state in
      state.lost += Int64(count)
      state.untold += Int64(count)
      state.why = why
    }
    wake.raise()
  }

  /// Records that were lost since the start.
  var lost: Int64 { state.withLock { $0.lost } }

  /// What was lost since this was asked last.
  func takeUntold() -> (count: Int64, why: Loss)? {
    state.withLock { state in
      guard state.untold > 0 else { return nil }
      defer { state.untold = 0 }
      return (state.untold, state.why)
    }
  }
}
