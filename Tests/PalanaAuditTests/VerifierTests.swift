import Foundation
import PalanaAudit
import PalanaCore
import Testing

@Suite struct VerifierTests {
  /// Lines of a sound chain, the first with number `start.seq + 1`.
  private func chain(_ events: [AuditEvent], after start: AuditVerifier.Link? = nil) throws -> [[UInt8]] {
    var previous = try start.map { try #require(AuditChain.Hash(hex: Array($0.hash.utf8))) } ?? .zero
    var seq = start?.seq ?? 0
    return events.map { event in
      seq += 1
      let bytes = encoded(event)
      let hash = AuditChain.hash(seq: seq, event: bytes, previous: previous)
      defer { previous = hash }
      return AuditChain.line(seq: seq, event: bytes, previous: previous, hash: hash)
    }
  }

  private func events(_ count: Int) throws -> [AuditEvent] { try (0..<count).map { try fullEvent($0) } }

  private func verify(
    _ lines: [[UInt8]], start: AuditVerifier.Link? = nil, noted: AuditVerifier.Link? = nil
  ) -> AuditVerification {
    var verifier = AuditVerifier(start: start, noted: noted)
    for line in lines { verifier.add(line: line) }
    return verifier.finish()
  }

  private func link(_ line: [UInt8]) throws -> AuditVerifier.Link {
    let value = try JSONValue(parsing: line)
    return .init(seq: Int64(try #require(value["seq"]?.int)), hash: try #require(value["hash"]?.string))
  }

  @Test func theHashIsWhatTheDocumentationSays() throws {
    let line = try #require(try chain(events(1)).first)
    // SHA-256 over 32 zero bytes and the line without its `hash` member, computed by another program.
    let text = text(line)
    let cut = try #require(text.range(of: ",\"hash\":\""))
    let covered = [UInt8](repeating: 0, count: 32) + Array((text[..<cut.lowerBound] + "}").utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sha256sum"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: Data(covered))
    try input.fileHandleForWriting.close()
    let digest = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self).prefix(64)
    #expect(try link(line).hash == String(digest))
  }

  @Test func aSoundChainIsIntact() throws {
    let lines = try chain(events(10))
    let result = verify(lines, noted: try link(#require(lines.last)))
    #expect(result.isIntact, "\(result.problems)")
    #expect((result.checked, result.firstSeq, result.lastSeq) == (10, 1, 10))
    #expect(try result.head == link(#require(lines.last)).hash)
    #expect(verify([]).isIntact)
  }

  @Test func otherSpellingsOfTheSameRecordsAreTheSameRecords() throws {
    let lines = try chain(events(3)).map { try JSONValue(parsing: $0).encoded(pretty: true, sortedKeys: true) }
    #expect(verify(lines).isIntact)
  }

  @Test func everyEditedByteShows() throws {
    let lines = try chain(events(3))
    let middle = lines[1]
    for index in middle.indices {
      for flip in [UInt8(1), 0x20] {
        var edited = lines
        edited[1][index] ^= flip
        let result = verify(edited)
        // A change of the letter case of a hexadecimal digit or of nothing but spelling would be no change; there is none here.
        #expect(!result.isIntact, "byte \(index)")
        #expect((result.problems.first?.seq ?? 0) <= 3)
      }
    }
  }

  @Test func anAddedMemberShows() throws {
    var lines = try chain(events(2))
    lines[0] = Array(text(lines[0]).replacingOccurrences(of: "{\"seq\":1,", with: "{\"seq\":1,\"note\":\"x\",").utf8)
    #expect(verify(lines).problems.first?.kind == .edited)
    var value = try JSONValue(parsing: chain(events(1))[0])
    guard case .object(var object) = value else { return }
    object["note"] = "x"
    value = .object(object)
    #expect(verify([value.encoded(pretty: true)]).problems.first?.kind == .unreadable)
  }

  @Test(arguments: 0..<5)
  func deletionsShow(_ index: Int) throws {
    let all = try chain(events(5))
    var lines = all
    lines.remove(at: index)
    let result = verify(lines, noted: try link(all[4]))
    let kinds: [AuditVerification.Problem.Kind] = [.truncatedFront, .missing, .missing, .missing, .truncatedTail]
    #expect(result.problems.map(\.kind) == [kinds[index]])
    if (1...3).contains(index) { #expect(result.problems.first?.seq == Int64(index) + 2) }
  }

  @Test func orderShows() throws {
    var lines = try chain(events(4))
    lines.swapAt(1, 2)
    let result = verify(lines)
    #expect(result.problems.contains { $0.kind == .reordered && $0.seq == 2 })
    #expect(verify(lines + [lines[0]]).problems.contains { $0.kind == .reordered })
  }

  @Test func aRecordThatWasWrittenAnewShows() throws {
    // The forger computes a right hash for the changed record, but its successor names the old one.
    var forged = try events(4)
    forged[1].decision = .allow
    var lines = try chain(events(4))
    lines[1] = try chain(forged)[1]
    let result = verify(lines)
    #expect(result.problems.map(\.kind) == [.edited])
    #expect(result.problems.first?.seq == 2)
  }

  @Test func aChainThatWasWrittenAnewShowsAgainstANotedHead() throws {
    let noted = try link(#require(chain(events(4)).last))
    var forged = try events(4)
    forged[1].decision = .allow
    #expect(verify(try chain(forged)).isIntact)
    let result = verify(try chain(forged), noted: noted)
    #expect(result.problems.map(\.kind) == [.edited])
    #expect(result.problems.first?.seq == 4)
  }

  @Test func aRemovedBeginningNeedsARetentionRecord() throws {
    let old = try chain(events(5))
    let cut = try link(old[2])
    let mark = RetentionMark.event(through: cut, removed: 3, before: Timestamp(seconds: 5), time: Timestamp(seconds: 9))
    let kept = Array(old[3...]) + (try chain([mark], after: link(old[4])))
    #expect(verify(kept).isIntact)
    #expect(verify(Array(old[3...])).problems.map(\.kind) == [.truncatedFront])
    // The mark names record 3: removing one more is not covered by it.
    #expect(verify(Array(kept.dropFirst())).problems.map(\.kind) == [.truncatedFront])
  }

  @Test func aPartIsVerifiedFromAKnownLink() throws {
    let all = try chain(events(6))
    #expect(verify(Array(all[2...4]), start: try link(all[1])).isIntact)
    #expect(verify(Array(all[3...4]), start: try link(all[1])).problems.map(\.kind) == [.missing])
    let wrong = AuditVerifier.Link(seq: 2, hash: String(repeating: "0", count: 64))
    #expect(verify(Array(all[2...4]), start: wrong).problems.map(\.kind) == [.edited])
  }

  @Test func problemsAreBounded() throws {
    let result = verify(Array(repeating: Array("x".utf8), count: 5000))
    #expect(result.problems.count == 100)
    #expect(result.problemCount == 5000)
  }
}
