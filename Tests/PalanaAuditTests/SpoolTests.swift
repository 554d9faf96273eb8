import PalanaAudit
import PalanaCore
import Testing

@Suite struct SpoolTests {
  @Test func anAcceptedEventIsInTheFile() throws {
    try withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/a/b")
      let writer = spool.makeWriter(label: "loop 1")
      try writer.record(fullEvent())
      let segment = try #require(spool.segments().first)
      let bytes = try #require(segment.read(from: 0, count: 1 << 16))
      #expect(try bytes == encoded(fullEvent()) + [10])
      #expect(spool.waitingBytes == bytes.count)
      #expect(segment.name.hasPrefix("loop-1-"))
    }
  }
}
