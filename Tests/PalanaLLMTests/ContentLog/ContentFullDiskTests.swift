import Foundation
import PalanaAudit
import PalanaCore
import Testing

@testable import PalanaLLM

/// A disk that is really full.
@Suite struct ContentFullDiskTests {
  @Test(.enabled(if: SmallDisk.canBeMounted)) func whatWasWrittenStaysReadableAndItGoesOn() async throws {
    try await withFolder { folder in
      let disk = folder + "/disk"
      try await SmallDisk.run(at: disk) {
        let (clock, trail) = (TestClock(), GatewayWorld.Trail())
        var settings = ContentSettings()
        settings.retention = .seconds(80)
        let log = ContentFixture.log(disk + "/content", clock, settings: settings, audit: trail)
        func offer(_ id: String, _ bytes: Int) async {
          guard log.queue.take(1) else { return }
          log.queue.offer(ContentFixture.record(id, at: clock.now, answer: String(repeating: "x", count: bytes)), holding: 1)
          await log.write()
        }
        // Of sizes that end in the middle of a page.
        for number in 0..<60 { await offer("a-\(number)", 900 + 137 * number % 3_000) }
        #expect(log.queue.lost > 10 && trail.events.map(\.reason) == ["not_written"])
        let kept = try await log.list(ContentQuery(limit: 1_000))
        #expect(kept.cards.count == 60 - Int(log.queue.lost) && kept.cards.count > 10 && kept.damages.isEmpty)
        for card in kept.cards { _ = try await log.record(card.id) }
        for file in ContentFixture.files(disk + "/content") {
          let bytes = try ContentFixture.bytes(file)
          #expect(ContentFixture.read(bytes, named: file, try ContentFixture.key()).torn == 0 && bytes.count > ContentHeader.count)
        }
        // Room again, when what is old has gone.
        clock.advance(100)
        await log.sweep()
        let lost = log.queue.lost
        for number in 0..<5 { await offer("b-\(number)", 3_000) }
        #expect(log.queue.lost == lost)
        let again = try await log.list(ContentQuery()).cards.map(\.id)
        #expect(again == (0..<5).map { "b-\($0)" })
      }
    }
  }
}
