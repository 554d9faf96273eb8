import PalanaAudit
import PalanaControlAPI
import PalanaCore
import Testing

@testable import PalanaControl

/// Who may hand in audit trails, and what becomes of what is no batch.
@Suite struct CollectionTests {
  private static let lines = [("content-type", "application/x-ndjson")]

  private func hand(
    _ world: ControlWorld, _ bytes: [UInt8], token: String = "sender-g-0", query: [(name: String, value: String)] = OperationSamples.chain,
    type: String = "application/x-ndjson"
  ) async throws -> Answer {
    try await world.call(
      .collectAudit, query: query, bytes: bytes, headers: [("authorization", "Bearer \(token)"), ("content-type", type)])
  }

  @Test func aBatchIsTakenOnceAndItsPodIsShown() async throws {
    try await ControlWorld.run { world in
      for (count, wanted) in [(2, 2), (2, 2), (3, 3)] {
        let answer = try await hand(world, OperationSamples.records(Int64(count)))
        #expect(answer.status == 200, "\(answer.text)")
        #expect(try answer.decoded(AuditPosition.self).seq == wanted)
      }
      let shown = try await world.call(.audit, query: [("pod", "g-0")]).lines
      #expect(shown.compactMap { $0["origin"]?["seq"]?.int } == [1, 2, 3])
      #expect(try await world.call(.audit, query: [("pod", "g-1")]).lines.isEmpty)
      // Of another pod of this account nothing is known.
      let other = try await world.call(.collectedAudit, query: OperationSamples.chain, headers: [("authorization", "Bearer sender-g-1")])
      #expect(try other.decoded(AuditPosition.self) == AuditPosition(seq: 0, hash: String(repeating: "0", count: 64)))
      #expect(try await world.call(.verifyAudit).json["ok"]?.bool == true)
    }
  }

  @Test func whatIsNoBatchIsRefused() async throws {
    try await ControlWorld.run { world in
      let good = OperationSamples.records(1)
      let cases: [(String, [UInt8], [(name: String, value: String)], String, Int)] = [
        ("empty", [], OperationSamples.chain, "application/x-ndjson", 400),
        ("cut", good.dropLast(), OperationSamples.chain, "application/x-ndjson", 400),
        ("malformed", Array("{}\n".utf8), OperationSamples.chain, "application/x-ndjson", 400),
        ("too large", [UInt8](repeating: 120, count: (1 << 20) + 1), OperationSamples.chain, "application/x-ndjson", 413),
        ("no chain", good, [], "application/x-ndjson", 400), ("a strange chain", good, [("chain", "a")], "application/x-ndjson", 400),
        ("another type", good, OperationSamples.chain, "application/json", 400),
      ]
      for (name, bytes, query, type, status) in cases {
        let answer = try await hand(world, bytes, query: query, type: type)
        #expect(answer.status == status && answer.code != nil, "\(name): \(answer.status) \(answer.text)")
      }
      let notes = world.events.filter { $0.action == "collect" }
      #expect(notes.count == cases.count && notes.allSatisfy { $0.decision == .error && $0.details["pod"] == "g-0" })
      #expect(notes.map(\.reason).contains("too_large"))
      #expect(try await world.call(.collectedAudit, query: OperationSamples.chain, headers: OperationSamples.sender).json["seq"]?.int == 0)
      // A sender that goes on like this does not fill the trail.
      for _ in 0..<10 { _ = try await hand(world, []) }
      #expect(world.events.filter { $0.action == "collect" }.count == 10)
    }
  }

  /// Neither people nor operators hand in trails, and a sender can do nothing else.
  @Test func sendersAreNobodyElseAndNobodyElseIsASender() async throws {
    try await ControlWorld.run { world in
      let operatorToken = [("authorization", "Bearer \(ControlWorld.token)")]
      for headers in [[], operatorToken, [("authorization", "Bearer nobody")]] {
        for person in ControlWorld.Person.allCases {
          let answer = try await world.call(
            .collectAudit, as: person, query: OperationSamples.chain, bytes: OperationSamples.records(1), headers: headers + Self.lines)
          #expect(answer.status == 401, "\(person) \(headers): \(answer.status)")
        }
        let path = PalanaControlAPI.Operation.collectAudit.route.path() + PercentEncoding.query(OperationSamples.chain)
        let answer = try await world.send("POST", world.tcpBase, path, body: OperationSamples.records(1), headers: headers + Self.lines)
        #expect(answer.status == 401)
      }
      for path in ["/v1/whoami", "/v1/audit", "/v1/agents", "/v1/audit/collected/", "//v1/audit/collected", "/v1/audit/verify"] {
        for verb in ["GET", "POST"] {
          let answer = try await world.send(verb, world.tcpBase, path, headers: OperationSamples.sender)
          #expect(answer.status == 401, "\(verb) \(path): \(answer.status)")
        }
      }
      // Acting for others is for people.
      let acting = try await world.call(
        .collectedAudit, query: OperationSamples.chain, headers: OperationSamples.sender + [(ControlHeader.user, "alice")])
      #expect(acting.status == 200)
      let blind = try await world.call(.collectedAudit, query: OperationSamples.chain, headers: [("authorization", "Bearer blind")])
      #expect(blind.status == 503)
      #expect(world.events.contains { $0.action == "authenticate" && $0.reason == "token_wrong" })
    }
  }

  @Test func whereNothingIsCollectedThereIsNothing() async throws {
    var settings = ControlWorld.Settings()
    settings.collects = false
    try await ControlWorld.run(settings) { world in
      for operation in [PalanaControlAPI.Operation.collectAudit, .collectedAudit] {
        for person in ControlWorld.Person.allCases {
          let answer = try await world.call(
            operation, as: person, query: OperationSamples.chain, bytes: operation == .collectAudit ? OperationSamples.records(1) : nil,
            headers: OperationSamples.sender + Self.lines)
          #expect(answer.status == 404, "\(operation) \(person): \(answer.status)")
        }
      }
      #expect(try await world.call(.audit, query: [("pod", "g-0")]).lines.isEmpty)
    }
  }
}
