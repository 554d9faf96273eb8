import Foundation
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaStore
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What was acknowledged survives SIGKILL. The parent starts this very test program again as a child that only writes, reads its
/// acknowledgements from a pipe, kills it in full run and looks at what is there.
@Suite struct CrashTests {
  private static let folderVariable = "PALANA_CRASH_CHILD"

  /// Runs the child test until it has acknowledged `count` writes; returns every acknowledgement that was read.
  private func acknowledgements(of child: String, in folder: String, atLeast count: Int) async throws -> Set<String> {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(
          with: Result {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = ["--filter", child, "--testing-library", "swift-testing"]
            process.environment = ProcessInfo.processInfo.environment.merging([Self.folderVariable: folder]) { $1 }
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            var bytes = Data()
            var lines = 0
            while lines < count {
              let part = output.fileHandleForReading.availableData
              if part.isEmpty { break }
              lines += part.count { $0 == 10 }
              bytes += part
            }
            kill(process.processIdentifier, SIGKILL)
            bytes += output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            // The last line may be torn; all others are acknowledgements that left the child.
            let whole = bytes.split(separator: 10, omittingEmptySubsequences: false).dropLast()
            return Set(
              whole.map { String(decoding: $0, as: UTF8.self) }.filter { $0.hasPrefix("ACK ") }.map {
                String($0.dropFirst(4))
              })
          })
      }
    }
  }

  private static func acknowledge(_ text: String) {
    FileHandle.standardOutput.write(Data("\nACK \(text)\n".utf8))
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/self/exe")))
  func noAcknowledgedEventIsLostOrDoubled() async throws {
    try await withFolder { folder in
      for round in 1...3 {
        let acknowledged = try await acknowledgements(of: "CrashChildren/audit", in: folder, atLeast: 1500)
        #expect(acknowledged.count > 300)
        let spool = try AuditSpool(directory: folder + "/spool")
        let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
        try await log.drain()
        var ids: [String] = []
        var position: Int64 = 0
        while true {
          let page = try await log.query(AuditQuery(afterSeq: position, limit: 10_000), scope: .everything)
          guard let last = page.last else { break }
          ids += page.compactMap(\.event.request?.id)
          position = last.seq
        }
        #expect(Set(ids).count == ids.count, "round \(round): no event twice")
        #expect(acknowledged.subtracting(ids).isEmpty, "round \(round): no event lost")
        let result = try await log.verify()
        #expect(result.isIntact, "\(result.problems)")
      }
    }
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/self/exe"))) func noAcknowledgedResourceIsLost()
    async throws
  {
    try await withFolder { folder in
      let acknowledged = try await acknowledgements(of: "CrashChildren/resources", in: folder, atLeast: 100)
      #expect(acknowledged.count >= 40)
      let store = try await SQLiteStore.open(path: folder + "/s.sqlite", logger: quiet)
      let there = Set(try await store.list(AgentSpec.self, owner: nil).map(\.metadata.name.text))
      #expect(acknowledged.subtracting(there).isEmpty)
      #expect(there.count - acknowledged.count <= 1)
    }
  }

  /// The children; without the variable they are not run.
  @Suite(.enabled(if: ProcessInfo.processInfo.environment["PALANA_CRASH_CHILD"] != nil)) struct CrashChildren {
    private var folder: String { ProcessInfo.processInfo.environment["PALANA_CRASH_CHILD"] ?? "" }

    @Test func audit() async throws {
      let spool = try AuditSpool(directory: folder + "/spool", limits: .init(segmentBytes: 50_000))
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let run = RandomToken.hex(bytes: 4)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await log.run() }
        for task in 0..<4 {
          group.addTask {
            let writer = spool.makeWriter(label: "w\(task)")
            var number = 0
            while true {
              var event = try egressEvent(number)
              event.request?.id = "\(run)-\(task)-\(number)"
              try writer.record(event)
              CrashTests.acknowledge("\(run)-\(task)-\(number)")
              number += 1
            }
          }
        }
        try await group.waitForAll()
      }
    }

    @Test func resources() async throws {
      let store = try await SQLiteStore.open(path: folder + "/s.sqlite", logger: quiet)
      var number = 0
      while true {
        _ = try await store.create(agent("a\(number)"))
        CrashTests.acknowledge("a\(number)")
        number += 1
      }
    }
  }
}
