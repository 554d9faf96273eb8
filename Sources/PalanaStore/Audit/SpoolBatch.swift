import Foundation
import PalanaAudit
import PalanaCore

/// What a turn of the drain takes out of the spool: whole lines, each file's in its order, the files merged by time.
struct SpoolBatch {
  /// One event on its way into the chain.
  struct Item {
    /// Where its texts are, counted from the start of the line.
    var line: AuditLine
    /// Which of ``chunks`` it lies in.
    var chunk: Int
    /// The line itself in its chunk: UTF-8, and what the hash covers.
    var body: Range<Int>
  }

  /// What happened to one file.
  struct Progress {
    var segment: AuditSpool.Segment
    /// Everything before it is in the chain after this batch.
    var offset: Int
    /// Bytes that this batch took.
    var taken: Int
    /// Whether the file is finished and holds nothing more.
    var isDone: Bool
  }

  /// Accepted bytes that are not there as they were written: somebody else was at the files.
  struct Damage {
    enum Reason: String {
      /// A whole line is not an event.
      case unreadable = "audit_record_unreadable"
      /// The file is gone or shorter than what was written to it.
      case lost = "audit_spool_lost"
    }

    var reason: Reason
    var file: String
    var offset: Int
    var bytes: Int
  }

  private(set) var items: [Item] = []
  /// What was read: a part of each file.
  private(set) var chunks: [[UInt8]] = []
  private(set) var progress: [Progress] = []
  /// Incomplete last lines that crashed writers left; their events were never accepted.
  private(set) var torn = 0
  private(set) var damages: [Damage] = []
  /// Whether there was more than fits in one batch.
  private(set) var hasMore = false

  var takenBytes: Int { progress.reduce(0) { $0 + $1.taken } }

  /// Reads from the disk: call it where blocking is allowed.
  /// - Parameters:
  ///   - offsets: by file name, what is in the chain already.
  ///   - bytes: about how much to take at once.
  /// - Throws: ``PalanaError`` with code `failed` when a file cannot be read; nothing is lost, it is tried again.
  init(segments: [AuditSpool.Segment], offsets: [String: Int], bytes: Int = 4 << 20) throws {
    // The flag is read before the size: a finished file never grows, so a size read later is its last one.
    let waiting = segments.map { (segment: $0, isFinished: $0.isFinished, written: $0.written) }
    let busy = waiting.count { $0.written > offsets[$0.segment.name] ?? 0 }
    let share = max(1 << 20, bytes / max(1, busy))
    var queues: [[Item]] = []
    for (segment, isFinished, written) in waiting {
      let offset = offsets[segment.name] ?? 0
      guard written > offset else {
        if isFinished { progress.append(Progress(segment: segment, offset: offset, taken: 0, isDone: true)) }
        continue
      }
      let end = try take(from: segment, at: offset, upTo: written, share: share, isFinished: isFinished, into: &queues)
      if end < written { hasMore = true }
      progress.append(
        Progress(segment: segment, offset: end, taken: end - offset, isDone: isFinished && end >= written))
    }
    merge(queues)
  }

  /// - Returns: the offset up to which the file is dealt with.
  private mutating func take(
    from segment: AuditSpool.Segment, at offset: Int, upTo written: Int, share: Int, isFinished: Bool,
    into queues: inout [[Item]]
  ) throws -> Int {
    let count = min(written - offset, share)
    guard let chunk = try segment.read(from: offset, count: count), chunk.count == count else {
      // What is lost stays lost; the events that follow must not be. The writer goes on in a new file.
      segment.abandon()
      damages.append(Damage(reason: .lost, file: segment.name, offset: offset, bytes: written - offset))
      return written
    }
    let (queue, used) = split(chunk, of: segment, at: offset)
    queues.append(queue)
    chunks.append(chunk)
    let end = offset + used
    guard used < count, offset + count == written else {
      if used == 0 { throw PalanaError(.failed, "the audit file \(segment.name) holds a line that is too long") }
      return end
    }
    // The file ends within a line. Of a file in use `written` counts whole lines only, so this one is left from a writer that
    // died within its last write, whose event was never accepted.
    torn += 1
    return written
  }

  private mutating func split(_ chunk: [UInt8], of segment: AuditSpool.Segment, at offset: Int) -> ([Item], Int) {
    var queue: [Item] = []
    var start = 0
    let bytes = chunk.span
    while let end = Self.lineBreak(in: chunk, from: start) {
      let body = bytes.extracting(start..<end)
      if let line = AuditLine(parsing: body), (try? UTF8Span(validating: body)) != nil {
        queue.append(Item(line: line, chunk: chunks.count, body: start..<end))
      } else {
        damages.append(
          Damage(reason: .unreadable, file: segment.name, offset: offset + start, bytes: end - start + 1))
      }
      start = end + 1
    }
    return (queue, start)
  }

  private static func lineBreak(in chunk: [UInt8], from start: Int) -> Int? {
    // `unsafe`: the pointer is used within the call only, and the count keeps memchr inside the array.
    unsafe chunk.withUnsafeBytes { bytes -> Int? in
      guard start < bytes.count, let base = bytes.baseAddress,
        let found = unsafe memchr(base + start, 10, bytes.count - start)
      else { return nil }
      return unsafe UnsafeRawPointer(found) - base
    }
  }

  /// A file's own order always holds; between files the earlier event goes first.
  private mutating func merge(_ queues: [[Item]]) {
    guard queues.count > 1 else {
      items = queues.first ?? []
      return
    }
    var next = [Int](repeating: 0, count: queues.count)
    let total = queues.reduce(0) { $0 + $1.count }
    items.reserveCapacity(total)
    while items.count < total {
      var best: Int?
      for index in queues.indices where next[index] < queues[index].count {
        if let current = best, queues[current][next[current]].line.time <= queues[index][next[index]].line.time {
          continue
        }
        best = index
      }
      guard let best else { return }
      items.append(queues[best][next[best]])
      next[best] += 1
    }
  }
}
