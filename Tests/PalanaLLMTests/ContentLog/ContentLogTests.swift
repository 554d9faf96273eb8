import Foundation
import NIOCore
import PalanaAudit
import PalanaCore
import ServiceLifecycle
import Synchronization
import Testing

@testable import PalanaLLM

/// What is kept, for how long, and what becomes of what cannot be kept.
@Suite(.timeLimit(.minutes(2))) struct ContentLogTests {
  private static func offer(_ log: ContentLog, _ records: ContentRecord...) async {
    for record in records {
      #expect(log.queue.take(1))
      log.queue.offer(record, holding: 1)
    }
    await log.write()
    #expect(log.queue.heldBytes == 0)
  }

  @Test func recordsAreListedAndReadAlsoAfterARestart() async throws {
    try await withFolder { folder in
      let (folder, clock) = (folder + "/content", TestClock())
      let first = ContentFixture.log(folder, clock)
      let empty = try await first.list(ContentQuery())
      #expect(empty.cards.isEmpty && !FileManager.default.fileExists(atPath: folder))
      let start = clock.now
      await Self.offer(
        first, ContentFixture.record("a-1", at: start), ContentFixture.record("a-2", at: start + .seconds(1), agent: "other"),
        ContentFixture.record("a-3", at: start + .seconds(2), model: "m-2"))
      clock.advance(60)
      // Another process goes on in a file of its own.
      let second = ContentFixture.log(folder, clock)
      await Self.offer(second, ContentFixture.record("b-1", at: clock.now, answer: ""))
      #expect(ContentFixture.files(folder).count == 2)
      func ids(_ query: ContentQuery) async throws -> [String] { try await second.list(query).cards.map(\.id) }
      let tables: [(ContentQuery, [String])] = [
        (ContentQuery(), ["a-1", "a-2", "a-3", "b-1"]), (ContentQuery(agent: "other"), ["a-2"]),
        (ContentQuery(agent: "demo-1f0a93c27b", limit: 2), ["a-3", "b-1"]), (ContentQuery(model: "m-2"), ["a-3"]),
        (ContentQuery(since: start + .seconds(2)), ["a-3", "b-1"]), (ContentQuery(since: clock.now + .seconds(1)), []),
        (ContentQuery(limit: 1), ["b-1"]), (ContentQuery(model: "none"), []),
      ]
      for (query, wanted) in tables {
        let found = try await ids(query)
        #expect(found == wanted, "\(query)")
      }
      let record = try await second.record("a-2")
      #expect(String(buffer: record.request) == "what was asked" && String(buffer: record.answer) == "what was answered")
      #expect(record.card.agent == "other")
      let other = try await second.record("b-1")
      #expect(other.answer.readableBytes == 0)
      await #expect(throws: PalanaError.self) { try await second.record("a-9") }
      #expect(
        second.metrics.map { "\($0.name) \($0.samples.first?.value ?? .integer(-1))" }.prefix(2) == [
          "palana_llm_content_records_total integer(1)", "palana_llm_content_dropped_total integer(0)",
        ])
    }
  }

  @Test func aDamagedFileDoesNotHideTheOthers() async throws {
    try await withFolder { folder in
      let (folder, clock) = (folder + "/content", TestClock())
      for (number, id) in ["a", "b", "c"].enumerated() {
        await Self.offer(ContentFixture.log(folder, clock), ContentFixture.record("\(id)-\(number)", at: clock.now))
        clock.advance(1)
      }
      let middle = ContentFixture.files(folder)[1]
      var bytes = try ContentFixture.bytes(middle)
      bytes[ContentHeader.count + ContentCodec.prefixBytes + 20] ^= 1
      try Data(bytes).write(to: URL(filePath: middle))
      let log = ContentFixture.log(folder, clock)
      let found = try await log.list(ContentQuery())
      #expect(found.cards.map(\.id) == ["a-0", "c-2"])
      #expect(found.damages.count == 1 && found.damages.first?.contains("record 0 is not as it was written") == true)
      // What was said, where only that is damaged.
      var last = try ContentFixture.bytes(ContentFixture.files(folder)[2])
      last[last.count - 1] ^= 1
      try Data(last).write(to: URL(filePath: ContentFixture.files(folder)[2]))
      let error = await #expect(throws: PalanaError.self) { try await log.record("c-2") }
      #expect(error?.code == .failed && error?.message.contains("not as it was written") == true)
    }
  }

  @Test func filesRollAndGoWhenTheirTimeHasCome() async throws {
    try await withFolder { folder in
      let (folder, clock) = (folder + "/content", TestClock())
      var settings = ContentSettings()
      settings.retention = .seconds(7 * 3_600)
      #expect(settings.segmentAge == .seconds(3_150))
      let log = ContentFixture.log(folder, clock, settings: settings)
      for number in 0..<10 {
        await Self.offer(log, ContentFixture.record("a-\(number)", at: clock.now))
        clock.advance(3_600)
        await log.sweep()
      }
      // Ten hours: of what is seven hours old nothing is told, even while its file is there.
      let found = try await log.list(ContentQuery()).cards.map(\.id)
      #expect(found == (3..<10).map { "a-\($0)" })
      await #expect(throws: PalanaError.self) { try await log.record("a-2") }
      #expect((7...8).contains(ContentFixture.files(folder).count))
      clock.advance(8 * 3_600)
      await log.sweep()
      #expect(ContentFixture.files(folder).isEmpty)
      // And it goes on.
      await Self.offer(log, ContentFixture.record("b-1", at: clock.now))
      #expect(try await log.list(ContentQuery()).cards.map(\.id) == ["b-1"])
      // A process that keeps nothing any more still removes what is old.
      clock.advance(9 * 3_600)
      await ContentFixture.log(folder, clock, settings: settings).sweep()
      #expect(ContentFixture.files(folder).isEmpty)
    }
  }

  @Test func theDiskHasABoundAndTheOldestGoFirst() async throws {
    try await withFolder { folder in
      let (folder, clock) = (folder + "/content", TestClock())
      var settings = ContentSettings()
      settings.maxBytes = 256 << 10
      let log = ContentFixture.log(folder, clock, settings: settings)
      let large = String(repeating: "x", count: 8 << 10)
      for number in 0..<100 {
        await Self.offer(log, ContentFixture.record("a-\(number)", at: clock.now, answer: large))
        clock.advance(1)
        let sizes = try ContentFixture.files(folder).map { try ContentFixture.bytes($0).count }
        #expect(sizes.reduce(0, +) <= settings.maxBytes && sizes.reduce(0, +) == log.files.totalBytes)
        #expect(sizes.allSatisfy { $0 <= settings.segmentBytes + (32 << 10) })
      }
      let found = try await log.list(ContentQuery(limit: 1_000)).cards.map(\.id)
      #expect(found.count >= 10 && found == (100 - found.count..<100).map { "a-\($0)" })
      // One that cannot fit at all is lost, and nothing else for it.
      await Self.offer(log, ContentFixture.record("b", at: clock.now, answer: String(repeating: "x", count: 256 << 10)))
      #expect(log.queue.lost == 1)
      #expect(try await log.list(ContentQuery(limit: 1_000)).cards.count == found.count)
      // A smaller bound at the next start.
      settings.maxBytes = 64 << 10
      let next = ContentFixture.log(folder, clock, settings: settings)
      await next.sweep()
      #expect(next.files.totalBytes <= settings.maxBytes)
      #expect(try await next.list(ContentQuery(limit: 1_000)).cards.last?.id == "a-99")
    }
  }

  /// Without the key nothing is kept; one event says so, not one for each record; and it goes on when the key is there.
  @Test func lossesAreToldOnce() async throws {
    try await withFolder { folder in
      let (folder, clock, trail) = (folder + "/content", TestClock(), GatewayWorld.Trail())
      let isSealed = Mutex(true)
      let log = ContentFixture.log(folder, clock, audit: trail) { () async throws(PalanaError) in
        if isSealed.withLock({ $0 }) { throw PalanaError(.unreachable, "the store is sealed") }
        return try ContentKey(Redacted([UInt8](repeating: 7, count: 32)))
      }
      for number in 0..<5 { await Self.offer(log, ContentFixture.record("a-\(number)", at: clock.now)) }
      #expect(log.queue.lost == 5 && trail.events.count == 1)
      let event = try #require(trail.events.first)
      #expect(event.component == .llm && event.action == "content-lost" && event.decision == .error)
      #expect(event.reason == "key_unavailable" && event.details == ["records": "1"])
      #expect(!FileManager.default.fileExists(atPath: folder))
      clock.advance(3_600)
      await Self.offer(log, ContentFixture.record("a-5", at: clock.now))
      #expect(trail.events.count == 2 && trail.events.last?.details == ["records": "5"])
      isSealed.withLock { $0 = false }
      await Self.offer(log, ContentFixture.record("b-1", at: clock.now))
      #expect(try await log.list(ContentQuery()).cards.map(\.id) == ["b-1"])
      #expect(trail.events.count == 2 && log.queue.lost == 6)
    }
  }

  /// Where nothing can be written, as on a full disk, the record is lost and no rest of it stays.
  @Test func whatCannotBeWrittenIsLost() async throws {
    try await withFolder { folder in
      let (clock, trail) = (TestClock(), GatewayWorld.Trail())
      // A file stands where the folder would be.
      try Data().write(to: URL(filePath: folder + "/content"))
      let log = ContentFixture.log(folder + "/content", clock, audit: trail)
      await Self.offer(log, ContentFixture.record("a", at: clock.now), ContentFixture.record("b", at: clock.now))
      #expect(log.queue.lost == 2 && trail.events.map(\.reason) == ["not_written"])
      try FileManager.default.removeItem(atPath: folder + "/content")
      await Self.offer(log, ContentFixture.record("c", at: clock.now))
      #expect(try await log.list(ContentQuery()).cards.map(\.id) == ["c"])
    }
  }

  @Test func memoryHasABound() throws {
    let queue = ContentQueue(limit: 100)
    #expect(queue.take(60) && !queue.take(41) && queue.take(40) && !queue.take(1))
    queue.give(100)
    #expect(queue.heldBytes == 0 && queue.take(100))
    queue.finish()
    queue.offer(ContentFixture.record("a", at: Timestamp(seconds: 0)), holding: 100)
    #expect(queue.heldBytes == 0 && queue.lost == 1 && queue.drain().isEmpty)
  }
}
