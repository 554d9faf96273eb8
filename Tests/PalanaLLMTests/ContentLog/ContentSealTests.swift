import Foundation
import NIOCore
import PalanaCore
import Testing

@testable import PalanaLLM

/// What is on the disk is unreadable without the key, and whatever is done to it shows.
@Suite struct ContentSealTests {
  /// A file with three records.
  private static func file(_ folder: String) throws -> (name: String, bytes: [UInt8]) {
    let files = ContentFiles(folder: folder, settings: ContentSettings())
    for number in 0..<3 {
      try files.append(
        ContentFixture.record("r\(number)", at: Timestamp(seconds: 100), request: "q\(number)", answer: "a\(number)"), ContentFixture.key(),
        now: Timestamp(seconds: 100))
    }
    files.finish()
    let path = try #require(ContentFixture.files(folder).first)
    return (String(path.split(separator: "/").last ?? ""), try ContentFixture.bytes(path))
  }

  private static let whole = ["r0:q0:a0", "r1:q1:a1", "r2:q2:a2"]

  @Test func whatIsSealedOpens() async throws {
    try await withFolder { folder in
      let folder = folder + "/content"
      let (name, bytes) = try Self.file(folder)
      let read = ContentFixture.read(bytes, named: name, try ContentFixture.key())
      #expect(read.ids == Self.whole && read.broken.isEmpty && read.damages.isEmpty && read.torn == 0)
      for text in ["q1", "a1", "r1", "alice", "unified"] { #expect(Data(bytes).range(of: Data(text.utf8)) == nil || text.count < 3) }
      #expect(Data(bytes).range(of: Data("alice".utf8)) == nil)
      let attributes = try FileManager.default.attributesOfItem(atPath: folder)
      #expect(attributes[.posixPermissions] as? Int == 0o700)
      let own = try FileManager.default.attributesOfItem(atPath: folder + "/" + name)
      #expect(own[.posixPermissions] as? Int == 0o600)
      // With another key nothing of it is read, and that is said.
      let other = ContentFixture.read(bytes, named: name, try ContentFixture.key(8))
      #expect(other.ids.isEmpty && other.damages.count == 1)
    }
  }

  /// One bit of any byte: what it belongs to is not read, and it is said; what stands before it is.
  @Test func anyChangeShows() async throws {
    try await withFolder { folder in
      let (name, bytes) = try Self.file(folder + "/content")
      let key = try ContentFixture.key()
      let places = ContentFixture.places(bytes)
      #expect(places.count == 4 && places.last == bytes.count)
      for index in bytes.indices {
        var changed = bytes
        changed[index] ^= 1 << UInt8(index % 8)
        let read = ContentFixture.read(changed, named: name, key)
        #expect(read.damages.count + read.broken.count == 1, "byte \(index)")
        #expect(read.ids.count < 3 && read.ids.allSatisfy(Self.whole.contains), "byte \(index)")
        let before = max(0, places.count { $0 <= index } - 1)
        #expect(Array(read.ids.prefix(before)) == Array(Self.whole.prefix(before)), "byte \(index)")
      }
    }
  }

  /// As a process leaves it that dies while it writes, wherever that is: what is whole is read, and nothing is called damaged.
  @Test func aTornEndIsPassedOver() async throws {
    try await withFolder { folder in
      let (name, bytes) = try Self.file(folder + "/content")
      let key = try ContentFixture.key()
      let places = ContentFixture.places(bytes)
      for end in 0..<bytes.count {
        let read = ContentFixture.read(Array(bytes[..<end]), named: name, key)
        let records = max(0, places.count { $0 <= end } - 1)
        #expect(read.ids == Array(Self.whole.prefix(records)) && read.damages.isEmpty && read.broken.isEmpty, "\(end)")
        #expect(read.torn == (places.contains(end) ? 0 : end - (places.last { $0 <= end } ?? 0)), "\(end)")
      }
    }
  }

  @Test func recordsCannotBeMoved() async throws {
    try await withFolder { folder in
      let (name, bytes) = try Self.file(folder + "/a")
      let (other, others) = try Self.file(folder + "/b")
      let key = try ContentFixture.key()
      let places = ContentFixture.places(bytes)
      let head = Array(bytes[..<places[0]])
      let records = (0..<3).map { Array(bytes[places[$0]..<places[$0 + 1]]) }
      let foreign = ContentFixture.places(others)
      let cases: [(String, [UInt8], Int)] = [
        ("swapped", head + records[1] + records[0] + records[2], 0),
        ("the last two swapped", head + records[0] + records[2] + records[1], 1),
        ("one dropped", head + records[0] + records[2], 1), ("the first dropped", head + records[1] + records[2], 0),
        ("one twice", head + records[0] + records[0] + records[1], 1),
        ("one of another file", head + records[0] + others[foreign[1]..<foreign[2]] + records[2], 1),
        ("the beginning of another file", Array(others[..<foreign[0]]) + records.joined(), 0),
      ]
      for (what, forged, intact) in cases {
        let read = ContentFixture.read(forged, named: name, key)
        #expect(read.ids == Array(Self.whole.prefix(intact)), "\(what)")
        #expect(read.damages.count == 1, "\(what): \(read.damages)")
      }
      // Under another file's name it is nobody's.
      #expect(ContentFixture.read(bytes, named: other, key).ids.isEmpty)
      // The card of one call over what was said in another one.
      let card = { (record: [UInt8]) in record[0..<4].reduce(0) { $0 << 8 | Int($1) } }
      let end = ContentCodec.prefixBytes
      let mixed = Array(records[0].prefix(end + card(records[0]))) + records[1].dropFirst(end + card(records[1]))
      let read = ContentFixture.read(head + mixed + records[1] + records[2], named: name, key)
      #expect(read.broken == ["r0"] && read.ids == Array(Self.whole.dropFirst()))
    }
  }

  /// Bytes that nobody sealed.
  @Test func nonsenseIsNoRecord() throws {
    let key = try ContentFixture.key()
    var generator = SystemRandomNumberGenerator()
    for count in [0, 1, 63, 64, 65, 87, 88, 200, 5_000] {
      let noise = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
      #expect(ContentFixture.read(noise, named: "x", key).ids.isEmpty)
      let header = ContentHeader()
      let read = ContentFixture.read(header.bytes + noise, named: "content-1-\(header.id)", key)
      #expect(read.ids.isEmpty && (read.damages.count == 1 || read.torn == count))
    }
    #expect(ContentCodec.bodies([]) == nil && ContentCodec.bodies([0, 0, 0, 9, 1]) == nil)
    #expect(throws: PalanaError.self) { try ContentKey(text: Redacted("abc")) }
    #expect(throws: PalanaError.self) { try ContentKey(text: Redacted(String(repeating: "zz", count: 32))) }
    _ = try ContentKey(text: ContentKey.make())
  }
}
