import Foundation
import GRDB
import PalanaAudit
import PalanaCore

/// The tables of the audit trail. A migration that was released is never edited; a new one is added below.
enum AuditSchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1-audit") { db in
      // `body` is the event's own object, byte for byte what the hash covers; the other columns are only for searching and are
      // compared with it when the chain is verified. Two partial indexes, because almost every event is an allowed request.
      try db.execute(
        sql: """
          CREATE TABLE event (
            seq INTEGER PRIMARY KEY,
            time INTEGER NOT NULL,
            component TEXT NOT NULL,
            decision TEXT NOT NULL,
            severity TEXT,
            agent_id TEXT,
            agent_name TEXT,
            owner TEXT,
            actor TEXT,
            host TEXT,
            body TEXT NOT NULL,
            prev BLOB NOT NULL,
            hash BLOB NOT NULL
          ) STRICT;
          CREATE INDEX event_time ON event (time);
          CREATE INDEX event_agent ON event (agent_name);
          CREATE INDEX event_owner ON event (owner);
          CREATE INDEX event_host ON event (host);
          CREATE INDEX event_component ON event (component) WHERE component <> 'egress';
          CREATE INDEX event_decision ON event (decision) WHERE decision <> 'allow';
          CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
          CREATE TABLE spool (file TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID, STRICT;
          """)
      try db.execute(
        sql: "INSERT INTO head (id, seq, hash) VALUES (1, 0, ?)",
        arguments: [AuditChain.Hash.zero.bytes.databaseBlob])
    }
    migrator.registerMigration("2-collection") { db in
      // `chain` names this chain to a collector; `source` is what a collector has taken of others' chains, each with whoever the cluster
      // says that it belongs to: what somebody else claims under the same name is another one. How long a collected event is kept counts
      // from `taken`, when it came, since its own time is whatever its sender says.
      try db.execute(
        sql: """
          ALTER TABLE event ADD COLUMN pod TEXT;
          ALTER TABLE event ADD COLUMN taken INTEGER;
          CREATE INDEX event_pod ON event (pod) WHERE pod IS NOT NULL;
          CREATE TABLE chain (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL) STRICT;
          CREATE TABLE source (
            chain TEXT NOT NULL,
            account TEXT NOT NULL,
            pod TEXT NOT NULL,
            seq INTEGER NOT NULL,
            hash BLOB NOT NULL,
            seen INTEGER NOT NULL,
            PRIMARY KEY (chain, account, pod)
          ) WITHOUT ROWID, STRICT;
          """)
      try db.execute(sql: "INSERT INTO chain (id, name) VALUES (1, ?)", arguments: [RandomToken.hex(bytes: 16)])
    }
    return migrator
  }
}

extension [UInt8] {
  /// As a blob of SQLite.
  var databaseBlob: DatabaseValue { Data(self).databaseValue }
}

extension AuditChain.Hash {
  /// - Throws: ``PalanaError`` with code `failed` when the column does not hold 32 bytes.
  init(column: Data) throws {
    guard let hash = AuditChain.Hash(column) else {
      throw PalanaError(.failed, "the audit database holds a malformed hash", hint: "run `pcli audit verify`")
    }
    self = hash
  }
}
