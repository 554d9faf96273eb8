import Foundation
import PalanaAudit
import PalanaCore
import PalanaStore
import Testing

/// A disk that is really full. Needs to mount a small file system, so it runs as root only.
@Suite struct FullDiskTests {
  private static func run(_ arguments: [String]) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }

  private static let canMount = run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])

  @Test(.enabled(if: canMount)) func eventsAreRefusedAndNothingIsHalfWritten() async throws {
    try await withFolder { folder in
      let disk = folder + "/disk"
      try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
      try #require(Self.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]))
      defer { _ = Self.run(["umount", "-l", disk]) }
      let spool = try AuditSpool(directory: disk + "/spool")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let writer = spool.makeWriter(label: "w")
      var accepted: [String] = []
      var refused = 0
      // Twice: the disk fills, the log catches up, and events are accepted again.
      for round in 0..<2 {
        for number in 0..<400 {
          do {
            try writer.record(egressEvent(round * 1000 + number))
            accepted.append("r-\(round * 1000 + number)")
          } catch { refused += 1 }
        }
        try await log.drain()
      }
      #expect(refused > 100)
      #expect(accepted.contains { $0.utf8.count == 6 }, "the second round had room again")
      let records = try await log.query(AuditQuery(limit: 10_000), scope: .everything)
      #expect(records.compactMap(\.event.request?.id) == accepted)
      #expect(records.count == accepted.count, "no torn and no unreadable line")
    }
  }
}
