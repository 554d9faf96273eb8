import NIOPosix
import PalanaControlAPI
import PalanaCore
import Synchronization
import Testing

@testable import PalanaAttack

/// The attacks over real sockets: against somebody who promises nothing, and somebody who refuses everything.
@Suite struct AttackRunTests {
  /// Sends every case that can be aimed at a toy there.
  /// - Returns: for each whether it held.
  private static func verdicts(_ manner: ToyServer.Manner, _ toy: ToyServer) async throws -> [(one: AttackCase, holds: Bool)] {
    let cases = AttackCase.all(toy.job).filter { toy.aimed($0.probe) != nil }
    let probes = cases.compactMap { toy.aimed($0.probe) }
    // The loop waits on its thread: not one of the cooperative pool.
    return try await NIOThreadPool.singleton.runIfActive {
      var loop = ExchangeLoop()
      loop.pace = .zero
      loop.patience.datagram = .milliseconds(300)
      var verdicts: [(one: AttackCase, holds: Bool)] = []
      loop.run(probes) { index, observation in verdicts.append((cases[index], cases[index].expectation.holds(observation))) }
      return verdicts
    }
  }

  @Test func everyCaseFailsWhereNothingIsPromised() async throws {
    try await ToyServer.with(.permissive) { toy in
      let verdicts = try await Self.verdicts(.permissive, toy)
      #expect(verdicts.count > 200)
      for (one, holds) in verdicts { #expect(!holds, "\(one.family)/\(one.name) would never be broken") }
      #expect(Set(verdicts.map(\.one.family)) == Set(AttackFamily.allCases))
    }
  }

  @Test func everyCaseHoldsWhereAllIsRefused() async throws {
    try await ToyServer.with(.strict) { toy in
      for (one, holds) in try await Self.verdicts(.strict, toy) { #expect(holds, "\(one.family)/\(one.name)") }
    }
    try await ToyServer.with(.closes) { toy in
      for (one, holds) in try await Self.verdicts(.closes, toy) { #expect(holds, "\(one.family)/\(one.name)") }
    }
  }

  @Test func aConnectionThatIsTakenAndKeptIsNoRefusal() async throws {
    try await ToyServer.with(.silent) { toy in
      let seen = try await NIOThreadPool.singleton.runIfActive {
        var loop = ExchangeLoop()
        loop.patience.answering = .milliseconds(100)
        var seen: [Observation] = []
        loop.run([.stream(Endpoint("127.0.0.1", toy.port), [1], ends: false)]) { _, observation in seen.append(observation) }
        return seen
      }
      #expect(seen == [.silent(isConnected: true)])
      #expect(!AttackExpectation.refused.holds(.silent(isConnected: true)) && !AttackExpectation.nobody.holds(.silent(isConnected: true)))
    }
  }

  /// What every case comes to where everything gets this answer.
  private static func verdicts(_ answer: String, isStrict: Bool) async throws -> [String: AttackRecord.Verdict] {
    try await ToyServer.with(.says(answer)) { toy in
      var job = toy.job
      job.isStrict = isStrict
      job.allowed = Set(
        AttackCase.all(job).filter { $0.probe.endpoint.port != toy.port }.compactMap { $0.destination?.description })
      let run = job
      return try await NIOThreadPool.singleton.runIfActive {
        var attack = AttackRun(run)
        attack.loop.pace = .zero
        var verdicts: [String: AttackRecord.Verdict] = [:]
        try attack { verdicts["\($0.family)/\($0.name)"] = $0.verdict }
        return verdicts
      }
    }
  }

  @Test func aDataPlaneThatPutsMessagesRightIsHeldToPolicy() async throws {
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    let strict = try await Self.verdicts(refusal, isStrict: true)
    let lenient = try await Self.verdicts(refusal, isStrict: false)
    for spelling in ["framing/message-folded", "framing/message-te-bare-lf", "identity/connect-folded"] {
      #expect(strict[spelling] == .broken && lenient[spelling] == .notApplicable, "\(spelling)")
    }
    // A wrong proof that leads to a decision is one, however messages are read.
    #expect(lenient["identity/connect-wrong"] == .broken && lenient["identity/connect-none"] == .broken)
    // And what is let through is broken in any spelling.
    let open = try await Self.verdicts("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", isStrict: false)
    #expect(open["framing/message-folded"] == .broken && open["identity/connect-folded"] == .broken)
  }

  @Test func aWholeRunHasOneRecordForEachCaseAndNoToken() async throws {
    let records = try await ToyServer.with(.strict) { toy in
      var job = toy.job
      // Nothing of a test leaves this machine.
      job.allowed = Set(
        AttackCase.all(job).filter { $0.probe.endpoint.port != toy.port }.compactMap { $0.destination?.description })
      let run = job
      return try await NIOThreadPool.singleton.runIfActive {
        var attack = AttackRun(run)
        attack.loop.pace = .zero
        var records: [AttackRecord] = []
        try attack { records.append($0) }
        return records
      }
    }
    #expect(records.allSatisfy { $0.of == records.count })
    // What else listens at this machine's own ports is none of this test's business.
    let broken = records.filter { $0.verdict == .broken && $0.family != .dns && $0.family != .control }
    #expect(broken.isEmpty, "\(broken)")
    for record in records {
      #expect(!"\(record)".contains("token-of-the-toy"))
      #expect(record.sent.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
    }
  }

  @Test(
    arguments: [
      ("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", PalanaError.Code.failed),
      ("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n", .conflict), ("SSH-2.0\r\n", .failed),
    ])
  func nothingIsShownWhereTheGatewayDoesNotTakeTheAgent(_ answer: String, _ code: PalanaError.Code) async throws {
    try await ToyServer.with(.says(answer)) { toy in
      let job = toy.job
      let error = await #expect(throws: PalanaError.self) {
        try await NIOThreadPool.singleton.runIfActive { try AttackRun(job) { _ in } }
      }
      #expect(error?.code == code)
    }
  }
}
