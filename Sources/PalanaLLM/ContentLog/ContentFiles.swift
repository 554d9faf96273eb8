import NIOCore
import PalanaAudit
import PalanaCore
import Synchronization

/// The folder of the content log: files that are only appended to, each sealed with keys of its own. One process writes there at a time.
///
/// Everything here blocks: call it where that is allowed.
final class ContentFiles: Sendable {
  /// One file as it stands on the disk.
  struct Segment: Hashable, Sendable {
    var name: String
    /// When it was begun.
    var created: Timestamp
    var bytes: Int
  }

  /// Why a record could not be kept.
  enum Failure: String, Error { case notWritten = "not_written", tooLarge = "too_large" }

  private struct Open {
    var file: Int32
    var seal: ContentSeal
    /// Of the next record.
    var number: UInt64 = 0
  }

  private struct State {
    /// Oldest first; the last one is open when there is an open one. Nil: the folder was not looked at yet.
    var segments: [Segment]?
    var open: Open?

    var total: Int { segments?.reduce(0) { $0 + $1.bytes } ?? 0 }
  }

  private static let suffix = ".sealed"
  private let folder: String
  private let settings: ContentSettings
  private let state = Mutex(State())
  /// One file is in memory at a time, whoever reads.
  private let reading = Mutex(())
  private let total = Atomic<Int>(0)

  init(folder: String, settings: ContentSettings) {
    self.folder = folder
    self.settings = settings
  }

  deinit { state.withLock { Self.close(&$0) } }

  // MARK: Writing

  /// Appends a record, in a new file where it is time for one. The oldest files go when there is no room.
  ///
  /// - Throws: ``Failure``: then nothing of it was kept.
  func append(_ record: ContentRecord, _ key: ContentKey, now: Timestamp) throws(Failure) {
    try state.withLock { state throws(Failure) in
      defer { total.store(state.total, ordering: .relaxed) }
      var segments = look(&state)
      let size = ContentCodec.prefixBytes + ContentCodec.mostCardBytes + record.request.readableBytes + record.answer.readableBytes
      guard size + ContentHeader.count <= min(settings.maxBytes, ContentCodec.mostFileBytes) else { throw .tooLarge }
      if let last = segments.last, let open = state.open, isOver(last, open, with: size, now) { Self.close(&state) }
      while let oldest = segments.first, state.total + size + ContentHeader.count > settings.maxBytes {
        if segments.count == 1 { Self.close(&state) }
        SpoolFiles.remove(path(oldest))
        segments.removeFirst()
        state.segments = segments
      }
      if state.open == nil { try begin(&state, key, now) }
      try write(record, &state)
    }
  }

  private func isOver(_ segment: Segment, _ open: Open, with more: Int, _ now: Timestamp) -> Bool {
    open.number > 0 && segment.bytes + more > settings.segmentBytes || now < segment.created || now - segment.created >= settings.segmentAge
  }

  private func begin(_ state: inout State, _ key: ContentKey, _ now: Timestamp) throws(Failure) {
    do { try SpoolFiles.makeDirectory(folder) } catch { throw .notWritten }
    let header = ContentHeader()
    let digits = "\(max(0, now.microseconds))"
    let name = "content-\(String(repeating: "0", count: max(0, 20 - digits.utf8.count)))\(digits)-\(header.id)\(Self.suffix)"
    let path = folder + "/" + name
    guard let file = SpoolFiles.create(path) else { throw .notWritten }
    guard SpoolFiles.append(header.bytes, to: file) == header.bytes.count else {
      SpoolFiles.close(file)
      SpoolFiles.remove(path)
      throw .notWritten
    }
    state.open = Open(file: file, seal: ContentSeal(key.symmetric, header))
    state.segments?.append(Segment(name: name, created: now, bytes: header.bytes.count))
  }

  private func write(_ record: ContentRecord, _ state: inout State) throws(Failure) {
    guard let open = state.open, let index = state.segments?.indices.last, let before = state.segments?[index].bytes else {
      throw .notWritten
    }
    guard let bytes = try? ContentCodec.encode(record, number: open.number, open.seal) else { throw .notWritten }
    let written = SpoolFiles.append(bytes, to: open.file)
    guard written == bytes.count else {
      // What was begun is cut off; the next record begins a new file.
      if written > 0, !SpoolFiles.truncate(open.file, to: before) { state.segments?[index].bytes += written }
      Self.close(&state)
      // Of a file without a record nothing is left: the disk may stay full for long.
      if open.number == 0, let empty = state.segments?.removeLast() { SpoolFiles.remove(path(empty)) }
      throw .notWritten
    }
    state.open?.number += 1
    state.segments?[index].bytes += written
  }

  /// What is open is finished.
  func finish() { state.withLock { Self.close(&$0) } }

  private static func close(_ state: inout State) {
    if let open = state.open { SpoolFiles.close(open.file) }
    state.open = nil
  }

  // MARK: What is there

  /// The files that are there, oldest first.
  func segments() -> [Segment] { state.withLock { look(&$0) } }

  /// What they take, as far as is known: it waits for nobody.
  var totalBytes: Int { total.load(ordering: .relaxed) }

  private func look(_ state: inout State) -> [Segment] {
    if let segments = state.segments { return segments }
    let names = SpoolFiles.size(folder) == nil ? [] : (try? SpoolFiles.names(in: folder, suffix: Self.suffix)) ?? []
    let found = names.compactMap { name -> Segment? in
      let parts = name.split(separator: "-")
      guard parts.count == 3, let created = Int64(parts[1]), let bytes = SpoolFiles.size(folder + "/" + name) else { return nil }
      return Segment(name: name, created: Timestamp(microseconds: created), bytes: bytes)
    }
    state.segments = found
    return found
  }

  private func path(_ segment: Segment) -> String { folder + "/" + segment.name }

  /// Removes what is too old, and the oldest of what is too much.
  ///
  /// - Returns: how many files went.
  @discardableResult
  func sweep(now: Timestamp) -> Int {
    state.withLock { state in
      defer { total.store(state.total, ordering: .relaxed) }
      let before = look(&state)
      if let last = before.last, let open = state.open, isOver(last, open, with: 0, now) { Self.close(&state) }
      var segments = before
      // Nothing in a file is younger than the time by which the next one was begun.
      while let oldest = segments.first, oldest.created + settings.segmentAge + settings.retention <= now || state.total > settings.maxBytes
      {
        if segments.count == 1 { Self.close(&state) }
        SpoolFiles.remove(path(oldest))
        segments.removeFirst()
        state.segments = segments
      }
      return before.count - segments.count
    }
  }

  /// Reads one file; nil when it has gone.
  ///
  /// - Throws: ``PalanaError`` with code `failed`, and what `body` throws.
  func read<T: Sendable>(
    _ segment: Segment, _ key: ContentKey, _ body: (inout ContentReader) throws(PalanaError) -> T
  ) throws(PalanaError) -> T? {
    try reading.withLock { _ throws(PalanaError) -> T? in
      guard let size = SpoolFiles.size(path(segment)) else { return nil }
      guard size <= ContentCodec.mostFileBytes else { throw PalanaError(.failed, "\(segment.name) is larger than such a file can be") }
      guard let bytes = try SpoolFiles.read(path(segment), named: segment.name, from: 0, count: size) else { return nil }
      var reader = ContentReader(bytes, named: segment.name, master: key)
      return try body(&reader)
    }
  }
}
