import PalanaAudit
import PalanaCore

/// What a turn of the drain takes out of the spool: whole lines, each file's in its order, the files merged by time.
struct SpoolBatch {
  /// One event on its way into the chain.
  struct Item {
    var line: AuditLine
    var body: String
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

  private(set) var items: [Item] = []
  private(set) var progress: [Progress] = []
  /// Incomplete last lines that crashed writers left; their events were never accepted.
  private(set) var torn = 0
  /// Whole lines that are not events: file and offset.
  private(set) var unreadable: [(file: String, offset: Int)] = []
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
      let count = min(written - offset, share)
      guard let chunk = segment.read(from: offset, count: count) else {
        throw PalanaError(.failed, "the audit file \(segment.name) cannot be read")
      }
      let (queue, used) = split(chunk, of: segment, at: offset)
      queues.append(queue)
      var end = offset + used
      let isLast = chunk.count < count || offset + chunk.count >= written
      if isFinished, isLast, end < written {
        // The writer died within its last write, so the event was never accepted.
        torn += 1
        end = written
      } else if used == 0, count == share {
        throw PalanaError(.failed, "the audit file \(segment.name) holds a line that is too long")
      }
      if !isLast { hasMore = true }
      progress.append(Progress(segment: segment, offset: end, taken: end - offset, isDone: isFinished && end >= written))
    }
    merge(queues)
  }

  private mutating func split(_ chunk: [UInt8], of segment: AuditSpool.Segment, at offset: Int) -> ([Item], Int) {
    var queue: [Item] = []
    var start = 0
    while let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
      let bytes = chunk[start..<end]
      if let line = AuditLine(parsing: bytes), let body = String(validating: bytes, as: UTF8.self) {
        queue.append(Item(line: line, body: body))
      } else {
        unreadable.append((segment.name, offset + start))
      }
      start = end + 1
    }
    return (queue, start)
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
        if let current = best, queues[current][next[current]].line.time <= queues[index][next[index]].line.time { continue }
        best = index
      }
      guard let best else { return }
      items.append(queues[best][next[best]])
      next[best] += 1
    }
  }
}
