import GRDB
import GRDBSQLite
import PalanaAudit
import PalanaCore

/// Gives values to a statement and runs it, without the detour over boxed values: the audit trail writes thousands of rows a second.
@safe struct StatementBinding {
  private let statement: SQLiteStatement

  /// - Parameter statement: one without results. It must be used in the database access that it came from.
  init(_ statement: Statement) { unsafe self.statement = statement.sqliteStatement }

  /// SQLite keeps a copy of what it is given.
  private static var copied: sqlite3_destructor_type { unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

  func bind(_ index: Int32, _ value: Int64) throws {
    try check(unsafe sqlite3_bind_int64(statement, index, value))
  }

  /// Binds a text where it stands; SQLite keeps no copy, so `line` has to stay until ``run()`` has returned. Nil binds NULL.
  /// - Parameter line: valid UTF-8.
  func bind(_ index: Int32, _ text: AuditLine.Text?, of line: Span<UInt8>) throws {
    guard let text else { return try check(unsafe sqlite3_bind_null(statement, index)) }
    guard !text.isEscaped, !text.range.isEmpty else { return try bind(index, copying: text.bytes(in: line)) }
    let code = unsafe line.extracting(text.range).withUnsafeBytes { bytes in
      unsafe sqlite3_bind_text64(
        statement, index, bytes.bindMemory(to: CChar.self).baseAddress, UInt64(bytes.count), nil, UInt8(SQLITE_UTF8))
    }
    try check(code)
  }

  private func bind(_ index: Int32, copying text: [UInt8]) throws {
    let code = unsafe text.withUnsafeBytes { bytes in
      // An empty text is not NULL, so it needs an address.
      let start = unsafe bytes.bindMemory(to: CChar.self).baseAddress
      return unsafe start == nil
        ? sqlite3_bind_text(statement, index, "", 0, Self.copied)
        : sqlite3_bind_text64(statement, index, start, UInt64(bytes.count), Self.copied, UInt8(SQLITE_UTF8))
    }
    try check(code)
  }

  /// - Parameter blob: not empty.
  func bind(_ index: Int32, blob: [UInt8]) throws {
    let code = unsafe blob.withUnsafeBytes { bytes in
      unsafe sqlite3_bind_blob64(statement, index, bytes.baseAddress, UInt64(bytes.count), Self.copied)
    }
    try check(code)
  }

  /// Runs it, and makes it ready for the next row: it refers to nothing that was bound any more.
  func run() throws {
    let code = unsafe sqlite3_step(statement)
    unsafe sqlite3_reset(statement)
    unsafe sqlite3_clear_bindings(statement)
    guard code == SQLITE_DONE else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
  }

  private func check(_ code: Int32) throws {
    guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
  }
}
