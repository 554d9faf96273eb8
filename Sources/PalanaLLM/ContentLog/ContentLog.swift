package import Logging
import NIOPosix
package import PalanaAudit
package import PalanaCore
import ServiceLifecycle
import Synchronization

/// What agents asked models and what they were answered, for operators who must be able to look afterwards: off unless a route asks for it,
/// sealed on the disk, and gone after its time.
///
/// It is not the audit trail. A call whose record cannot be kept goes on; the record is counted as lost, and an event says so, once in an
/// hour at most.
package final class ContentLog: Service {
  /// Gets the key, which is made when there is none yet.
  package typealias KeySource = @Sendable () async throws(PalanaError) -> ContentKey

  let settings: ContentSettings
  let queue: ContentQueue
  let files: ContentFiles
  let clock: WallClock
  let timer: any Clock<Duration>
  let logger: Logger
  let audit: any AuditSink
  private let source: KeySource
  private let key = Mutex<ContentKey?>(nil)
  let isStopping = Atomic<Bool>(false)
  let counts = Mutex(Counts())

  /// What was written, and what of the losses was told.
  struct Counts {
    var records: Int64 = 0
    var untold: Int64 = 0
    var why = ContentQueue.Loss.memoryFull
    var told: Timestamp?
  }

  /// - Parameters:
  ///   - folder: made with mode 0700 when the first record is written; used by one daemon at a time.
  ///   - audit: where losses are told.
  ///   - timer: what waiting is measured with.
  package init(
    folder: String, settings: ContentSettings, key: @escaping KeySource, audit: any AuditSink, clock: WallClock = .system,
    timer: any Clock<Duration> = ContinuousClock(), logger: Logger
  ) {
    self.settings = settings
    self.audit = audit
    self.clock = clock
    self.timer = timer
    self.logger = logger
    source = key
    queue = ContentQueue(limit: settings.memoryBytes)
    files = ContentFiles(folder: folder, settings: settings)
  }

  /// From the secret store once, then from memory.
  func masterKey() async throws(PalanaError) -> ContentKey {
    if let known = key.withLock({ $0 }) { return known }
    let fetched = try await source()
    key.withLock { $0 = fetched }
    return fetched
  }

  // MARK: Reading

  /// The newest records that are wanted, oldest first, and what could not be read.
  ///
  /// - Throws: ``PalanaError``: `unreachable` and what else the secret store says; `failed`.
  package func list(_ query: ContentQuery) async throws(PalanaError) -> (cards: [ContentRecord.Card], damages: [String]) {
    let since = clock.now() - settings.retention
    var found: [ContentRecord.Card] = []
    var damages: [String] = []
    var later: Timestamp?
    for segment in try await segments().reversed() {
      // Everything in it was written before the next one was begun, and is older.
      if let later, let wanted = query.since, later < wanted { break }
      later = segment.created
      let read = try await look(segment) { reader throws(PalanaError) -> ([ContentRecord.Card], [String]) in
        var cards: [ContentRecord.Card] = []
        while let entry = reader.next() {
          guard entry.card.time >= since, query.wants(entry.card) else { continue }
          cards.append(entry.card)
          // Of many only the newest are wanted.
          if cards.count >= 2 * query.limit { cards.removeFirst(query.limit) }
        }
        return (cards, reader.damages)
      }
      found.insert(contentsOf: read?.0 ?? [], at: 0)
      damages.insert(contentsOf: read?.1 ?? [], at: 0)
      if found.count >= query.limit { break }
    }
    return (found.suffix(query.limit).sorted { $0.time < $1.time }, damages)
  }

  /// One record.
  ///
  /// - Throws: ``PalanaError``: `notFound`; `failed` when it is not as it was written; as ``list(_:)``.
  package func record(_ id: String) async throws(PalanaError) -> ContentRecord {
    let since = clock.now() - settings.retention
    for segment in try await segments().reversed() {
      let found = try await look(segment) { reader throws(PalanaError) -> ContentRecord? in
        while let entry = reader.next() {
          if entry.card.id == id, entry.card.time >= since { return try reader.record(entry) }
        }
        return nil
      }
      if case .some(.some(let record)) = found { return record }
    }
    throw PalanaError(
      .notFound, "nothing is kept of a call ‘\(id.prefix(80))’",
      hint: "pcli llm content lists what is kept; records go after their time")
  }

  private func segments() async throws(PalanaError) -> [ContentFiles.Segment] {
    try await blocking { [files] in files.segments() }
  }

  private func look<T: Sendable>(
    _ segment: ContentFiles.Segment, _ body: @escaping @Sendable (inout ContentReader) throws(PalanaError) -> T
  ) async throws(PalanaError) -> T? {
    let key = try await masterKey()
    return try await blocking { [files] in try files.read(segment, key, body) }
  }

  /// Runs what waits for the disk where that is allowed.
  func blocking<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws(PalanaError) -> T {
    do { return try await NIOThreadPool.singleton.runIfActive(body) } catch let error as PalanaError { throw error } catch {
      throw PalanaError(.failed, "the content log could not be read")
    }
  }
}
