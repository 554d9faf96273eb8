import Foundation
import Logging
import NIOCore
import PalanaAudit
import PalanaCore
import Synchronization
import Testing

@testable import PalanaLLM

/// Records and folders of the content log for tests.
enum ContentFixture {
  static func key(_ byte: UInt8 = 7) throws -> ContentKey { try ContentKey(Redacted([UInt8](repeating: byte, count: 32))) }

  static func record(
    _ id: String, at time: Timestamp, request: String = "what was asked", answer: String = "what was answered", agent: String = "demo",
    model: String = "m-1"
  ) -> ContentRecord {
    ContentRecord(
      card: ContentRecord.Card(
        id: id, time: time, agentID: "\(agent)-1f0a93c27b", agent: agent, owner: "alice@example.com", route: "unified", model: model,
        upstream: "u0", path: "/unified/v1/chat/completions", status: 200, requestBytes: Int64(request.utf8.count),
        answerBytes: Int64(answer.utf8.count)),
      request: ByteBuffer(string: request), answer: ByteBuffer(string: answer))
  }

  static func log(
    _ folder: String, _ clock: TestClock, settings: ContentSettings = ContentSettings(), audit: any AuditSink = GatewayWorld.Trail(),
    key: @escaping ContentLog.KeySource = { () async throws(PalanaError) in
      try ContentKey(Redacted([UInt8](repeating: 7, count: 32)))
    }
  ) -> ContentLog {
    ContentLog(folder: folder, settings: settings, key: key, audit: audit, clock: clock.wall, logger: quiet)
  }

  /// The files of a folder, oldest first.
  static func files(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted().map { folder + "/" + $0 }
  }

  static func bytes(_ file: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: file))) }

  /// What a reader finds in bytes, in order: identifiers of records whose card and bodies are as they were written.
  static func read(_ bytes: [UInt8], named name: String, _ key: ContentKey) -> (
    ids: [String], broken: [String], damages: [String], torn: Int
  ) {
    var reader = ContentReader(bytes, named: name, master: key)
    var (ids, broken): ([String], [String]) = ([], [])
    while let entry = reader.next() {
      do throws(PalanaError) {
        let record = try reader.record(entry)
        ids.append(record.card.id + ":" + String(buffer: record.request) + ":" + String(buffer: record.answer))
      } catch { broken.append(entry.card.id) }
    }
    return (ids, broken, reader.damages, reader.torn)
  }

  /// Where the records of a file begin, and where the last one ends.
  static func places(_ bytes: [UInt8]) -> [Int] {
    var places = [ContentHeader.count]
    while let place = places.last, place + ContentCodec.prefixBytes <= bytes.count {
      let length = { (at: Int) in bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
      places.append(place + ContentCodec.prefixBytes + length(place) + length(place + 4))
    }
    return places
  }
}
