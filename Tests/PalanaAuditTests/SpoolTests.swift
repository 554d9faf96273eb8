import Foundation
import PalanaAudit
import PalanaCore
import Synchronization
import Testing

@Suite struct SpoolTests {
  private func contents(_ spool: AuditSpool) throws -> [UInt8] {
    try spool.segments().flatMap { try #require(try $0.read(from: 0, count: max(1, $0.written))) }
  }

  @Test func anAcceptedEventIsInTheFile() throws {
    try withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/a/b")
      let writer = spool.makeWriter(label: "loop 1")
      try writer.record(fullEvent())
      let segment = try #require(spool.segments().first)
      let bytes = try #require(try segment.read(from: 0, count: 1 << 16))
      #expect(try bytes == encoded(fullEvent()) + [10])
      #expect(spool.waitingBytes == bytes.count)
      #expect(segment.written == bytes.count)
      #expect(!segment.isFinished)
      #expect(segment.name.hasPrefix("loop-1-"))
      #expect(try segment.read(from: bytes.count - 1, count: 100) == [10])
    }
  }

  @Test func onlyTheDaemonMayRead() throws {
    try withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let writer = spool.makeWriter(label: "a")
      try writer.record(fullEvent())
      func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      }
      #expect(try mode(folder + "/spool") == 0o700)
      #expect(try mode(#require(spool.segments().first).path) == 0o600)
    }
  }

  @Test func aFullBacklogRefusesAndRecovers() throws {
    try withFolder { folder in
      let spool = try AuditSpool(directory: folder, limits: .init(segmentBytes: 1 << 20, backlogBytes: 2000))
      let writer = spool.makeWriter(label: "a")
      var accepted = 0
      while accepted < 100, (try? writer.record(fullEvent(accepted))) != nil { accepted += 1 }
      #expect((2...10).contains(accepted))
      #expect(throws: AuditUnavailable.self) { try writer.record(fullEvent()) }
      #expect(try contents(spool).count { $0 == 10 } == accepted)
      spool.discount(bytes: spool.waitingBytes)
      try writer.record(fullEvent())
    }
  }

  @Test func filesAreBounded() throws {
    try withFolder { folder in
      let spool = try AuditSpool(directory: folder, limits: .init(segmentBytes: 1500))
      let writer = spool.makeWriter(label: "a")
      for number in 0..<20 { try writer.record(fullEvent(number)) }
      let segments = spool.segments()
      #expect(segments.count > 3)
      #expect(segments.map(\.name) == segments.map(\.name).sorted())
      #expect(segments.dropLast().allSatisfy { $0.isFinished })
      #expect(segments.allSatisfy { $0.written < 3000 })
      #expect(try contents(spool).count { $0 == 10 } == 20)
    }
  }

  @Test func aDiskThatTakesNothingRefuses() throws {
    try withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool", limits: .init(segmentBytes: 1))
      let writer = spool.makeWriter(label: "a")
      try writer.record(fullEvent())
      // The next event needs a new file, and there is no folder to make it in.
      try FileManager.default.removeItem(atPath: folder + "/spool")
      #expect(throws: AuditUnavailable.self) { try writer.record(fullEvent()) }
      try FileManager.default.createDirectory(atPath: folder + "/spool", withIntermediateDirectories: true)
      try writer.record(fullEvent())
    }
  }

  @Test func aClosedWriterRefuses() throws {
    try withFolder { folder in
      let writer = try AuditSpool(directory: folder).makeWriter(label: "a")
      try writer.record(fullEvent())
      writer.close()
      #expect(throws: AuditUnavailable.self) { try writer.record(fullEvent()) }
    }
  }

  @Test func oneDaemonAtATime() throws {
    try withFolder { folder in
      do {
        let first = try AuditSpool(directory: folder)
        let error = try #require(throws: PalanaError.self) { try AuditSpool(directory: folder) }
        #expect(error.code == .conflict)
        try first.makeWriter(label: "a").record(fullEvent())
      }
      let second = try AuditSpool(directory: folder)
      #expect(second.segments().count == 1)
      #expect(second.waitingBytes > 0)
      #expect(second.segments().allSatisfy { $0.isFinished })
    }
  }

  @Test func manyThreadsWriteWholeLines() async throws {
    let folder = NSTemporaryDirectory() + "palana-audit-" + RandomToken.hex(bytes: 8)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let spool = try AuditSpool(directory: folder, limits: .init(segmentBytes: 20_000))
    let shared = spool.makeWriter(label: "shared")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          let own = spool.makeWriter(label: "own")
          for number in 0..<100 {
            try shared.record(fullEvent(task * 1000 + number))
            try own.record(fullEvent(100_000 + task * 1000 + number))
          }
        }
      }
      try await group.waitForAll()
    }
    let lines = try contents(spool).split(separator: UInt8(ascii: "\n"))
    #expect(lines.count == 1600)
    #expect(
      lines.allSatisfy { line in
        let bytes = Array(line)
        return AuditLine(parsing: bytes.span) != nil
      })
    #expect(Set(lines.map(Array.init)).count == 1600)
  }

  @Test func theWakeSignalMissesNothing() async {
    let signal = WakeSignal()
    // Ready before it sleeps: returns at once.
    await signal.wait(unless: { true })
    for _ in 0..<200 {
      await withTaskGroup(of: Void.self) { group in
        let flag = Flag()
        group.addTask { await signal.wait(unless: { flag.isSet }) }
        group.addTask {
          flag.set()
          signal.raise()
        }
      }
    }
    // Cancelled: returns.
    let task = Task { await signal.wait(unless: { false }) }
    task.cancel()
    await task.value
  }
}

private final class Flag: Sendable {
  private let value = Atomic<Bool>(false)
  var isSet: Bool { value.load(ordering: .sequentiallyConsistent) }
  func set() { value.store(true, ordering: .sequentiallyConsistent) }
}
