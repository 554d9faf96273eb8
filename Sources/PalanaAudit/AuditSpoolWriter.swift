import PalanaCore
import Synchronization

extension AuditSpool {
  /// Appends events to one file. Safe from any thread (its own lock, 13 ns when nobody else wants it).
  package final class Writer: AuditSink {
    private let spool: AuditSpool
    private let prefix: String
    private let state = Mutex(State())

    private struct State {
      var file: Int32 = -1
      var segment: Segment?
      var size = 0
      var number = 0
      var isClosed = false
      var buffer: [UInt8] = []
    }

    init(spool: AuditSpool, prefix: String) {
      self.spool = spool
      self.prefix = prefix
    }

    deinit { close() }

    package func record(_ event: AuditEvent) throws(AuditUnavailable) {
      try append { AuditEncoder.encode(event, into: &$0) }
    }

    /// Appends one line of another kind of record: who reads the spool knows what it holds.
    /// - Parameter line: adds the bytes of the line, none of them a line break. It runs under the writer's lock.
    /// - Throws: ``AuditUnavailable`` when it is not on its way to the disk whole.
    package func append(line: (inout [UInt8]) -> Void) throws(AuditUnavailable) {
      guard !spool.isFull else { throw AuditUnavailable("what waits in \(spool.directory) is at its limit") }
      let failure = state.withLock { state in write(line, &state) }
      if let failure { throw failure }
    }

    /// Finishes the file; later events are refused.
    package func close() {
      state.withLock { state in
        finishSegment(&state)
        state.isClosed = true
      }
    }

    private func write(_ line: (inout [UInt8]) -> Void, _ state: inout State) -> AuditUnavailable? {
      guard !state.isClosed else { return AuditUnavailable("the writer is closed") }
      state.buffer.removeAll(keepingCapacity: true)
      line(&state.buffer)
      state.buffer.append(UInt8(ascii: "\n"))
      if state.size >= spool.limits.segmentBytes || state.segment?.isAbandoned == true { finishSegment(&state) }
      if state.segment == nil, let failure = beginSegment(&state) { return failure }

      let written = SpoolFiles.append(state.buffer, to: state.file)
      guard written == state.buffer.count else {
        // Part of a line must not stand in front of the next one. Where it cannot be taken back, the file ends here: `written`
        // does not count the part, so the log never reads it. A file with events ends here too: once the log has drained it, it
        // is removed, which gives a full disk its space back.
        let isTakenBack = written == 0 || SpoolFiles.truncate(state.file, to: state.size)
        if state.size > 0 || !isTakenBack { finishSegment(&state) }
        return AuditUnavailable("a record could not be written to \(spool.directory)")
      }
      state.size += written
      state.segment?.grew(to: state.size)
      spool.accepted(bytes: written)
      return nil
    }

    private func beginSegment(_ state: inout State) -> AuditUnavailable? {
      state.number += 1
      let digits = String(state.number)
      let name = "\(prefix)-\(String(repeating: "0", count: max(0, 8 - digits.utf8.count)))\(digits).jsonl"
      let segment = Segment(name: name, directory: spool.directory, written: 0, isFinished: false)
      guard let file = SpoolFiles.create(segment.path) else {
        return AuditUnavailable("no file could be created in \(spool.directory)")
      }
      state.file = file
      state.segment = segment
      state.size = 0
      spool.add(segment)
      return nil
    }

    private func finishSegment(_ state: inout State) {
      guard let segment = state.segment else { return }
      SpoolFiles.close(state.file)
      state.file = -1
      state.segment = nil
      state.size = 0
      segment.finish()
      // The log may sleep on a file that it has drained already; it removes the file at its next turn.
    }
  }
}
