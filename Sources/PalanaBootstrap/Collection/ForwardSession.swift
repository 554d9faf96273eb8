import Logging
import PalanaAudit
import PalanaControlAPI
import PalanaCore
import PalanaStore

/// One conversation with the collector about this process's chain: begins with how far it was taken, and ends with the first answer that
/// is not good, since nobody knows then what was taken.
struct ForwardSession: ~Copyable {
  /// Records and bytes of a batch; the last line may go over the latter.
  private static let mostRecords = 500
  private static let mostBytes = 384 << 10

  private let log: AuditLog
  private let client: CollectorClient
  private let logger: Logger
  private let chain: String
  /// Everything up to here was taken.
  private(set) var position: Int64
  /// Whether there was a record that the collector cannot read.
  private(set) var hasRefused = false
  private var records = ForwardSession.mostRecords

  /// - Throws: ``PalanaError``.
  init(_ log: AuditLog, _ client: CollectorClient, logger: Logger) async throws(PalanaError) {
    self.log = log
    self.client = client
    self.logger = logger
    let known = try await log.chain()
    let taken = try await client.position(of: known)
    guard try await !log.mayHold(seq: taken.seq, hash: taken.hash) else {
      chain = known
      position = taken.seq
      return
    }
    // This database is an older copy of itself, or somebody changed one of the two. Under its old name its new records would be taken for
    // those that the collector has.
    try await log.renameChain()
    chain = try await log.chain()
    position = 0
    logger.critical(
      "audit.forward.differs", metadata: ["audit.chain": "\(known)", "audit.seq": "\(taken.seq)", "audit.newChain": "\(chain)"])
  }

  /// Hands in the next records.
  ///
  /// - Returns: false when there are none.
  /// - Throws: ``PalanaError``; the session cannot be used any more.
  mutating func send() async throws(PalanaError) -> Bool {
    let (lines, last) = try await log.export(after: position, limit: records, bytes: Self.mostBytes)
    guard last > position else { return false }
    do throws(PalanaError) {
      let taken = try await client.send(lines, of: chain)
      guard taken.seq == last, try await log.mayHold(seq: last, hash: taken.hash) else {
        throw PalanaError(.failed, "the collector answers with record \(taken.seq) to a batch that ends with record \(last)")
      }
      position = last
      records = Self.mostRecords
    } catch {
      guard error.code == .invalid else { throw error }
      if records > 1 {
        records /= 2
      } else {
        // Somebody changed the database of this process. The collector sees that this record is missing, and the others come in.
        logger.critical("audit.forward.refused", metadata: ["audit.seq": "\(last)", "error": "\(error)"])
        hasRefused = true
        position = last
        records = Self.mostRecords
      }
    }
    return true
  }
}
