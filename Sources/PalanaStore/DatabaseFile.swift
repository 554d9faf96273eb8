import Dispatch
import Foundation
import GRDB
import PalanaCore

/// One SQLite file: opening it safely, and its errors in our words.
struct DatabaseFile: Sendable {
  let pool: DatabasePool

  /// How thoroughly the file is checked before it is used.
  enum Check: Sendable {
    /// Every page and index: for small databases.
    case integrity
    /// Only the schema, for databases of gigabytes that have their own proof.
    case schema
  }

  /// Opens or creates `path` off the cooperative pool: folder 0700, file 0600, WAL, every commit synced to the disk.
  /// - Throws: ``PalanaError`` with code `failed`.
  static func open(
    path: String, migrator: DatabaseMigrator, check: Check
  ) async throws(PalanaError) -> DatabaseFile {
    do {
      return try await withCheckedThrowingContinuation { continuation in
        DispatchQueue.global().async {
          continuation.resume(with: Result { try openBlocking(path: path, migrator: migrator, check: check) })
        }
      }
    } catch {
      throw DatabaseFile.error(error, opening: path)
    }
  }

  private static func openBlocking(path: String, migrator: DatabaseMigrator, check: Check) throws -> DatabaseFile {
    let files = FileManager.default
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    if !files.fileExists(atPath: folder) {
      try files.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }
    // SQLite gives its journal files the mode of the database, so the mode is set before it first opens it.
    if !files.fileExists(atPath: path) {
      guard files.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]) else {
        throw PalanaError(.failed, "the database \(path) cannot be created")
      }
    }
    try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)

    var configuration = Configuration()
    configuration.foreignKeysEnabled = true
    configuration.busyMode = .timeout(10)
    configuration.journalMode = .wal
    let pool = try DatabasePool(path: path, configuration: configuration)
    try pool.writeWithoutTransaction { db in
      // An acknowledged write survives a power cut; WAL's usual NORMAL promises only consistency.
      try db.execute(sql: "PRAGMA synchronous = FULL")
      // After a burst the journal gives its space back.
      try db.execute(sql: "PRAGMA journal_size_limit = 67108864")
      try inspect(db, path: path, migrator: migrator, check: check)
    }
    try migrator.migrate(pool)
    return DatabaseFile(pool: pool)
  }

  private static func inspect(_ db: Database, path: String, migrator: DatabaseMigrator, check: Check) throws {
    if case .integrity = check {
      let findings = try String.fetchAll(db, sql: "PRAGMA integrity_check(5)")
      guard findings == ["ok"] else {
        throw PalanaError(
          .failed, "the database \(path) is damaged: \(findings.joined(separator: "; "))",
          hint: "restore it from a backup")
      }
    }
    guard try !migrator.hasBeenSuperseded(db) else {
      throw PalanaError(
        .failed, "the database \(path) was written by a newer version of Palana",
        hint: "start that version or a newer one, or restore a backup")
    }
  }

  /// Runs `body` in one transaction that is on the disk when this returns.
  func write<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws(PalanaError) -> T {
    do { return try await pool.write(body) } catch { throw Self.error(error) }
  }

  /// Runs `body` on a consistent snapshot.
  func read<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws(PalanaError) -> T {
    do { return try await pool.read(body) } catch { throw Self.error(error) }
  }

  /// A database error as one that people can act on; never with values of the statement.
  static func error(_ error: any Error, opening path: String? = nil) -> PalanaError {
    switch error {
    case let error as PalanaError: return error
    case is CancellationError: return PalanaError(.failed, "the operation was cancelled")
    case let error as DatabaseError:
      let place = path.map { " \($0)" } ?? ""
      switch error.resultCode {
      case .SQLITE_FULL:
        return PalanaError(.failed, "the disk of the database\(place) is full", hint: "free some space")
      case .SQLITE_CORRUPT, .SQLITE_NOTADB:
        return PalanaError(.failed, "the database\(place) is damaged", hint: "restore it from a backup")
      case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
        return PalanaError(
          .failed, "the database\(place) cannot be opened for writing", hint: "check its owner and mode")
      default:
        return PalanaError(
          .failed, "the database\(place) failed: \(error.message ?? "code \(error.resultCode.rawValue)")")
      }
    default:
      return PalanaError(.failed, path.map { "the database \($0) cannot be opened: \(error)" } ?? "the database failed")
    }
  }
}
