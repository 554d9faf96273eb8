import PalanaAudit
import PalanaCore
import PalanaStore

/// What a turn takes out of the journal, file by file: whole lines.
struct JournalBatch: Sendable {
  var fold = LLMFold()
  /// Bytes that it takes.
  private(set) var bytes = 0
  /// Files that are finished and taken whole.
  private(set) var done: [AuditSpool.Segment] = []
  /// Last lines of a run that died while it wrote them: what they say was never acted on.
  private(set) var torn = 0
  /// Places that are not as they were written.
  private(set) var damages: [String] = []
  /// Whether there was more than fits in one turn.
  private(set) var hasMore = false

  private static let share = 4 << 20

  /// Reads from the disk: call it where blocking is allowed.
  /// - Parameter offsets: by file name, what is taken already.
  /// - Throws: ``PalanaError`` with code `failed` when a file cannot be read; nothing is lost, it is tried again.
  init(_ spool: AuditSpool, offsets: [String: Int]) throws {
    for segment in spool.segments() {
      // The flag is read before the size: a finished file never grows, so a size read later is its last one.
      let isFinished = segment.isFinished
      let written = segment.written
      fold.files.insert(segment.name)
      let offset = offsets[segment.name] ?? 0
      var end = offset
      if written > offset, bytes < Self.share {
        end = try take(segment, from: offset, to: written)
        bytes += end - offset
        fold.offsets[segment.name] = end
      }
      if end < written { hasMore = true }
      if isFinished, end >= written { done.append(segment) }
    }
  }

  /// - Returns: up to where the file is dealt with.
  private mutating func take(_ segment: AuditSpool.Segment, from offset: Int, to written: Int) throws -> Int {
    let count = min(written - offset, Self.share)
    guard let chunk = try segment.read(from: offset, count: count), chunk.count == count else {
      // What is lost stays lost; what follows must not be. The writer goes on in a new file.
      segment.abandon()
      damages.append("\(segment.name): \(written - offset) bytes from \(offset) on are not there any more")
      return written
    }
    var start = 0
    while let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
      let line = JournalDecoder.line(chunk.span.extracting(start..<end))
      if let record = line.record { fold.records.append(record) }
      if !line.isIntact { damages.append("\(segment.name): the line at \(offset + start)") }
      start = end + 1
    }
    if start < count, offset + count == written {
      torn += 1
      return written
    }
    guard start > 0 else {
      damages.append("\(segment.name): \(count) bytes from \(offset) on are no line")
      return offset + count
    }
    return offset + start
  }
}
