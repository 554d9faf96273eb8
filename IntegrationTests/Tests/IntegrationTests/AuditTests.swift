import Foundation
import Testing

/// A trail that somebody changed is found out, in the store and in an export.
@Suite struct AuditTests {
  @Test func aChangedExportIsFoundOut() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("traced", reaching: ["allowed.test"])
    _ = try await platform.ask("traced", platform.https("allowed.test") + "/echo")
    try await waitUntil("the event is stored") { try await !platform.egressEvents("traced").isEmpty }
    let file = platform.home + "/export.jsonl"
    let export = try await platform.pcli("audit", "--limit", "10000", "-o", "json").output
    try export.write(toFile: file, atomically: true, encoding: .utf8)
    try await platform.pcli("audit", "verify", "--file", file)

    // Any one change: a word, a line taken out, two lines swapped.
    let lines = export.split(separator: "\n").map(String.init)
    let middle = lines.count / 2
    var changed = lines
    changed[middle] = changed[middle].replacingOccurrences(of: "\"action\":\"", with: "\"action\":\"x")
    try #require(changed != lines)
    var shorter = lines
    shorter.remove(at: middle)
    var swapped = lines
    swapped.swapAt(middle, middle + 1)
    for (what, forged) in [("changed", changed), ("shorter", shorter), ("swapped", swapped)] {
      try (forged.joined(separator: "\n") + "\n").write(toFile: file, atomically: true, encoding: .utf8)
      let finished = try await platform.pcli("audit", "verify", "--file", file, expect: nil)
      #expect(finished.code != 0, "\(what): \(finished.output)")
    }
    try await platform.pcli("delete", "traced", "--purge")
  }

  @Test func aChangedStoreIsFoundOut() async throws {
    try await withPlatform { platform in
      try await platform.pcli("create", "traced", "--template", "shell")
      try await platform.pcli("delete", "traced", "--purge")
      try await platform.pcli("audit", "verify")
      // One byte of one event, in all places of the database that have it.
      let script = """
        import glob, sqlite3, sys
        changed = 0
        for path in glob.glob(sys.argv[1] + "/**/*.db", recursive=True) + glob.glob(sys.argv[1] + "/**/*.sqlite", recursive=True):
            with open(path, "rb") as file:
                if file.read(6) != b"SQLite":
                    continue
            db = sqlite3.connect(path, timeout=30)
            for (table,) in db.execute("select name from sqlite_master where type='table'").fetchall():
                for (_, column, kind, *_) in db.execute(f"pragma table_info('{table}')").fetchall():
                    try:
                        rows = db.execute(f"select rowid, \\"{column}\\" from \\"{table}\\"").fetchall()
                    except sqlite3.Error:
                        continue
                    for rowid, value in rows:
                        data = value if isinstance(value, bytes) else str(value).encode()
                        if b"traced" in data and b"delete" in data:
                            forged = data.replace(b"traced", b"trace2")
                            try:
                                db.execute(f"update \\"{table}\\" set \\"{column}\\" = ? where rowid = ?",
                                           (forged if isinstance(value, bytes) else forged.decode(), rowid))
                                changed += 1
                            except sqlite3.Error:
                                pass
            db.commit()
        print(changed)
        """
      let forged = try await run(Checkout.python, ["-c", script, platform.home])
      try #require(Int(forged.output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0 > 0, "\(forged)")
      let finished = try await platform.pcli("audit", "verify", expect: nil)
      #expect(finished.code == 1, "\(finished)")
    }
  }
}
