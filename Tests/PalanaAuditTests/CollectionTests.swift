import Foundation
import PalanaAudit
import PalanaCore
import Testing

/// A chain as somebody sends it.
struct SentChain {
  var lines: [[UInt8]] = []
  private var seq: Int64
  private var hash: AuditChain.Hash

  init(after seq: Int64 = 0, _ hash: AuditChain.Hash = .zero) {
    self.seq = seq
    self.hash = hash
  }

  mutating func append(_ event: [UInt8]) {
    seq += 1
    let next = AuditChain.hash(seq: seq, event: event, previous: hash)
    lines.append(AuditChain.line(seq: seq, event: event, previous: hash, hash: next))
    hash = next
  }

  static func of(_ count: Int) throws -> SentChain {
    var chain = SentChain()
    for number in 1...count { chain.append(encoded(try fullEvent(number))) }
    return chain
  }

  func body(_ numbers: Int...) -> [UInt8] { numbers.flatMap { lines[$0 - 1] + [10] } }
}

@Suite struct AuditBatchTests {
  @Test func linesComeOutAsTheyWentIn() throws {
    let chain = try SentChain.of(3)
    let batch = try AuditBatch(parsing: chain.body(1, 2, 3))
    #expect(batch.lines.map(\.seq) == [1, 2, 3])
    #expect(batch.lines.map { AuditChain.line(seq: $0.seq, event: $0.event, previous: $0.previous, hash: $0.hash) } == chain.lines)
    #expect(batch.lines[0].event == encoded(try fullEvent(1)))
    #expect(try AuditBatch(parsing: chain.body(1, 3)).lines.count == 2, "a gap is not the parser's business")
  }

  @Test func whatIsNoBatchIsRefusedWithItsLine() throws {
    let chain = try SentChain.of(3)
    let line = text(chain.lines[0])
    let long = String(repeating: "x", count: AuditBatch.largestLine + 1)
    let wrong: [(String, String)] = [
      ("", "empty"), ("\n", "line 1"), (line, "ends within a line"), (line + "\n\n", "line 2"), ("\n" + line + "\n", "line 1"),
      (line + "\r\n", "line 1"), (line + "\n" + line + "\n", "record 1 stands behind record 1"),
      (text(chain.body(2, 1)), "line 2 of the batch: record 1"),
      (line.replacingOccurrences(of: "\"seq\":1", with: "\"seq\":0") + "\n", "line 1"),
      (line.replacingOccurrences(of: "\"seq\":1", with: "\"seq\":+1") + "\n", "line 1"),
      (line.replacingOccurrences(of: "\"seq\":1", with: "\"seq\":01") + "\n", "line 1"),
      (line.replacingOccurrences(of: "\"seq\":1", with: "\"seq\":99999999999999999999") + "\n", "line 1"),
      (line.replacingOccurrences(of: "\"seq\":1", with: "\"seq\": 1") + "\n", "line 1"), ("{}\n", "line 1"), ("null\n", "line 1"),
      (String(line.dropLast()) + " }\n", "line 1"), (long + "\n", "more than"),
    ]
    for (body, words) in wrong {
      let error = #expect(throws: PalanaError.self) { try AuditBatch(parsing: Array(body.utf8)) }
      #expect(error?.code == .invalid && error?.message.contains(words) == true, "\(body.prefix(60)): \(error?.message ?? "")")
    }
  }
}

@Suite struct ChainContinuityTests {
  private func look(_ body: [UInt8], from continuity: inout ChainContinuity) throws -> (new: [Int64], findings: [ChainContinuity.Finding]) {
    var (new, findings): ([Int64], [ChainContinuity.Finding]) = ([], [])
    for line in try AuditBatch(parsing: body).lines {
      let (isNew, problems) = continuity.take(line)
      if isNew { new.append(line.seq) }
      findings += problems
    }
    return (new, findings)
  }

  @Test func whatContinuesIsTakenOnce() throws {
    let chain = try SentChain.of(6)
    var continuity = ChainContinuity()
    #expect(try look(chain.body(1, 2), from: &continuity) == ([1, 2], []))
    #expect(try look(chain.body(1, 2), from: &continuity) == ([], []), "a repeated batch")
    #expect(try look(chain.body(1, 2, 3, 4), from: &continuity) == ([3, 4], []), "an overlap")
    #expect(try look(chain.body(1), from: &continuity) == ([], []), "an old one")
    #expect(try look(chain.body(5, 6), from: &continuity) == ([5, 6], []))
    #expect(continuity.seq == 6)
  }

  @Test func gapsBreaksAndEditsAreSaidAndTaken() throws {
    let chain = try SentChain.of(9)
    var other = SentChain()
    for number in 1...9 { other.append(encoded(try fullEvent(number + 100))) }
    func after(_ numbers: Int...) throws -> ChainContinuity {
      var continuity = ChainContinuity()
      for number in numbers { _ = try look(chain.body(number), from: &continuity) }
      return continuity
    }
    var continuity = ChainContinuity()
    #expect(
      try look(chain.body(4, 5), from: &continuity) == ([4, 5], [.missing(from: 1, through: 3)]), "nothing is known of the beginning")
    continuity = try after(1, 2)
    #expect(
      try look(chain.body(5, 6, 9), from: &continuity) == ([5, 6, 9], [.missing(from: 3, through: 4), .missing(from: 7, through: 8)]))
    continuity = try after(1, 2)
    #expect(try look(other.body(3, 4), from: &continuity) == ([3, 4], [.differs(seq: 2)]), "it continues another chain")
    continuity = try after(1, 2)
    #expect(try look(other.body(1, 2), from: &continuity) == ([], [.differs(seq: 2)]), "the same number with another content")
    var edited = text(chain.body(3))
    edited.replace("GET", with: "PUT")
    continuity = try after(1, 2)
    #expect(try look(Array(edited.utf8) + chain.body(4), from: &continuity) == ([3, 4], [.edited(seq: 3)]))
    // The largest number there is leads nowhere, and does not end the process.
    var last = SentChain(after: .max - 1)
    last.append(encoded(try fullEvent()))
    #expect(try look(last.body(1), from: &continuity) == ([.max], [.missing(from: 5, through: .max - 1)]))
    #expect(try look(chain.body(5), from: &continuity) == ([], []))
  }
}

@Suite struct OriginTests {
  @Test func theOriginIsTheLastMemberAndComesBack() throws {
    var event = try fullEvent()
    event.origin = .init(account: "system:serviceaccount:palana-system:palana-gateway", pod: "palana-gateway-0", chain: "c", seq: 7)
    let bytes = encoded(event)
    #expect(
      text(bytes).hasSuffix(
        #","origin":{"account":"system:serviceaccount:palana-system:palana-gateway","pod":"palana-gateway-0","chain":"c","seq":7}}"#))
    #expect(try JSONDecoder().decode(AuditEvent.self, from: Data(bytes)) == event)
    #expect(try JSONValue(parsing: Array(JSONEncoder().encode(event))) == JSONValue(parsing: bytes))
    let found = AuditLine(parsing: bytes.span)
    let line = try #require(found)
    #expect(line.pod.map { text($0.bytes(in: bytes.span)) } == "palana-gateway-0")
  }

  /// Who can send events must not be able to speak for the chain that takes them.
  @Test func marksOfOthersChainsMeanNothingInThisOne() throws {
    var chain = SentChain()
    for number in 1...4 { chain.append(encoded(try fullEvent(number))) }
    let cut = try #require(AuditRecordLine(chain.lines[2]))
    var mark = RetentionMark.event(
      through: .init(seq: 3, hash: cut.hash.description), removed: 3, before: Timestamp(seconds: 5), time: Timestamp(seconds: 6))
    var finding = StartFinding.event(reason: "audit_head_note_missing", details: [:], time: Timestamp(seconds: 7))
    for isForeign in [false, true] {
      if isForeign {
        let origin = AuditEvent.Origin(account: "a", pod: "p", chain: "c", seq: 1)
        (mark.origin, finding.origin) = (origin, origin)
      }
      #expect((RetentionMark.link(in: encoded(mark)) == nil) == isForeign)
      #expect((StartFinding.reason(in: encoded(finding)) == nil) == isForeign)
      var rest = chain
      rest.append(encoded(mark))
      var verifier = AuditVerifier()
      for line in rest.lines.dropFirst(3) { verifier.add(line: line) }
      #expect(verifier.finish().problems.map(\.kind) == (isForeign ? [.truncatedFront] : []))
    }
  }
}
