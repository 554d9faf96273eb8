package import PalanaCore
import Synchronization

/// The folder of append-only JSON-lines files in which accepted events wait for the log.
///
/// Each event loop or thread makes its own ``Writer``; writers share no lock, only a counter of what waits. An event is one
/// `write(2)`: once that returned, the event is in the page cache and survives the death of the process.
package final class AuditSpool: Sendable {
  /// Bounds of a spool.
  package struct Limits: Hashable, Sendable {
    /// A file is finished and a new one begun after so many bytes.
    package var segmentBytes: Int
    /// When so many bytes wait for the log, events are refused.
    package var backlogBytes: Int

    package init(segmentBytes: Int = 16 << 20, backlogBytes: Int = 256 << 20) {
      self.segmentBytes = segmentBytes
      self.backlogBytes = backlogBytes
    }
  }

  package let directory: String
  package let limits: Limits
  /// Raised when events arrive while the log sleeps.
  package let wake = WakeSignal()

  private let lock: FileHandleLock
  /// Tells the files of this run from those of earlier ones.
  private let run = RandomToken.hex(bytes: 6)
  private let pending: Atomic<Int>
  private let state: Mutex<State>

  private struct State {
    var segments: [Segment]
    var writers = 0
  }

  /// - Parameter directory: created with mode 0700 when missing; used by one daemon at a time.
  /// - Throws: ``PalanaError``: `conflict` when another process uses the folder, `failed` when it cannot be used.
  package init(directory: String, limits: Limits = Limits()) throws(PalanaError) {
    try SpoolFiles.makeDirectory(directory)
    self.directory = directory
    self.limits = limits
    lock = try FileHandleLock(path: directory + "/lock")
    let left = try SpoolFiles.segments(in: directory)
    pending = Atomic(left.reduce(0) { $0 + $1.written })
    state = Mutex(State(segments: left))
  }

  /// A new writer with its own files. Make one for each event loop and one for the rest of the daemon.
  /// - Parameter label: for people who look at the folder; letters, digits and dashes.
  package func makeWriter(label: String) -> Writer {
    let number = state.withLock { state in
      state.writers += 1
      return state.writers
    }
    return Writer(spool: self, prefix: "\(SanitizedName(sanitizing: label))-\(run)-\(number)")
  }

  /// Bytes of accepted events that the log has not taken yet.
  package var waitingBytes: Int { pending.load(ordering: .sequentiallyConsistent) }

  /// The files that are there, each writer's in order.
  package func segments() -> [Segment] { state.withLock { $0.segments } }

  /// For the log: so many bytes are safe in the database (or were taken already before this start).
  package func discount(bytes: Int) { pending.subtract(bytes, ordering: .sequentiallyConsistent) }

  /// For the log: this file is drained and finished. Removes it from the disk.
  package func remove(_ segment: Segment) {
    state.withLock { state in state.segments.removeAll { $0 === segment } }
    SpoolFiles.remove(segment.path)
  }

  func add(_ segment: Segment) { state.withLock { $0.segments.append(segment) } }

  var isFull: Bool { pending.load(ordering: .relaxed) >= limits.backlogBytes }

  func accepted(bytes: Int) {
    pending.add(bytes, ordering: .sequentiallyConsistent)
    wake.raise()
  }
}

extension AuditSpool {
  /// One file of the spool.
  package final class Segment: Sendable {
    /// The file's name, unique for ever.
    package let name: String
    package let path: String
    private let bytes: Atomic<Int>
    private let finished: Atomic<Bool>
    private let abandoned = Atomic<Bool>(false)

    init(name: String, directory: String, written: Int, isFinished: Bool) {
      self.name = name
      path = directory + "/" + name
      bytes = Atomic(written)
      finished = Atomic(isFinished)
    }

    /// Bytes of whole events (of a file that an earlier run left: of everything).
    package var written: Int { bytes.load(ordering: .acquiring) }
    /// Whether nothing will be added any more. Read it before ``written``.
    package var isFinished: Bool { finished.load(ordering: .acquiring) }

    func grew(to size: Int) { bytes.store(size, ordering: .releasing) }
    /// For the log: the file on the disk is not what was written; its writer shall begin a new one.
    package func abandon() { abandoned.store(true, ordering: .releasing) }
    var isAbandoned: Bool { abandoned.load(ordering: .acquiring) }

    func finish() { finished.store(true, ordering: .releasing) }
  }
}
