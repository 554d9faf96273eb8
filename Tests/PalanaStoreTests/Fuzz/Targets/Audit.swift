import Foundation
import Fuzzing
import PalanaAudit
import PalanaCore

@testable import PalanaStore

/// What a sender of an audit trail says to its collector.
extension FuzzTarget {
  static let audit = [batch]

  /// Whatever comes, the records are in order, continue or are told not to, and each event is seen by every reader to come from its sender.
  static let batch = FuzzTarget(name: "audit-batch", count: 3_000, seeds: seeds) { bytes in
    guard let batch = try? AuditBatch(parsing: bytes) else { return nil }
    let lines = batch.lines.map { AuditChain.line(seq: $0.seq, event: $0.event, previous: $0.previous, hash: $0.hash) + [10] }
    guard lines.flatMap({ $0 }) == bytes else { return "the batch came out as \(String(decoding: lines.flatMap { $0 }, as: UTF8.self))" }
    var continuity = ChainContinuity()
    var last: Int64 = 0
    for line in batch.lines {
      guard line.seq > last else { return "record \(line.seq) stands behind record \(last)" }
      last = line.seq
      guard continuity.take(line).isNew, continuity.seq == last else { return "record \(last) was not taken" }
      let origin = AuditEvent.Origin(account: "a", pod: "p", chain: "c", seq: line.seq)
      guard let stamped = origin.stamped(on: line.event) else { continue }
      guard !stamped.contains(where: { $0 < 32 }), let value = try? JSONValue(parsing: stamped), value["origin"]?["pod"]?.string == "p",
        let event = try? JSONDecoder().decode(AuditEvent.self, from: Data(stamped)), event.origin == origin,
        RetentionMark.link(in: stamped) == nil, StartFinding.reason(in: stamped) == nil
      else { return "an event came out as \(String(decoding: stamped, as: UTF8.self))" }
    }
    return nil
  }

  private static let seeds: [[UInt8]] = {
    var seeds: [[UInt8]] = [[]]
    var (previous, lines) = (AuditChain.Hash.zero, [UInt8]())
    let time = Timestamp(seconds: 1_790_000_000)
    let events = [
      AuditEvent(
        time: time, component: .egress, action: "request", decision: .deny, reason: "host_not_allowed",
        request: .init(id: "r", method: "GET", host: "a.example", path: "/\u{e9}\"\\")),
      RetentionMark.event(through: .init(seq: 4, hash: previous.description), removed: 4, before: time, time: time),
      StartFinding.event(reason: "audit_records_missing", details: ["from": "2"], time: time),
    ]
    for (index, event) in events.enumerated() {
      var body: [UInt8] = []
      AuditEncoder.encode(event, into: &body)
      let seq = Int64(index) + 1
      let hash = AuditChain.hash(seq: seq, event: body, previous: previous)
      lines += AuditChain.line(seq: seq, event: body, previous: previous, hash: hash) + [10]
      previous = hash
      seeds.append(lines)
    }
    let claim =
      #"{"time":"2026-09-21T14:13:20.000000Z","component":"kill","action":"x","decision":"info","secrets":[],"origin":{"pod":"q"}}"#
    seeds.append(AuditChain.line(seq: .max, event: Array(claim.utf8), previous: previous, hash: previous) + [10])
    return seeds
  }()
}
