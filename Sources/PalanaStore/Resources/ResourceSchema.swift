import GRDB

/// The tables of the resource store. A migration that was released is never edited; a new one is added below.
enum ResourceSchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1-resources") { db in
      try db.execute(
        sql: """
          CREATE TABLE sequence (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
          INSERT INTO sequence (id, value) VALUES (1, 0);
          CREATE TABLE resource (
            kind TEXT NOT NULL,
            owner TEXT NOT NULL,
            name TEXT NOT NULL,
            uid TEXT NOT NULL UNIQUE,
            version INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            created INTEGER NOT NULL,
            deleted INTEGER,
            labels TEXT,
            annotations TEXT,
            spec TEXT NOT NULL,
            status TEXT,
            agent_id TEXT UNIQUE,
            PRIMARY KEY (kind, owner, name)
          ) STRICT;
          CREATE TABLE allocation (
            number INTEGER PRIMARY KEY,
            agent_id TEXT UNIQUE,
            released INTEGER
          ) STRICT;
          """)
    }
    return migrator
  }

  /// The next number of the one sequence from which every resource version comes.
  static func nextVersion(_ db: Database) throws -> Int64 {
    try db.execute(sql: "UPDATE sequence SET value = value + 1 WHERE id = 1")
    return try Int64.fetchOne(db, sql: "SELECT value FROM sequence WHERE id = 1") ?? 0
  }
}
