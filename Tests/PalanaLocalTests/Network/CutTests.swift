import Foundation
import PalanaCore
import PalanaLocal
import PalanaPlan
import Testing

/// The kill switch's network plane on open connections.
@Suite(.enabled(if: NetworkFixture.isRoot), .serialized)
struct CutTests {
  @Test(arguments: [1, 50])
  func openConnectionsEndAtOnce(_ count: Int) async throws {
    try await NetworkFixture.with { fixture in
      let handle = try await fixture.prepare(5)
      let bystander = try await fixture.prepare(6)
      let (ending, (start, report)) = try await fixture.stream(to: handle, connections: count) { streams in
        let start = NetworkFixture.monotonic()
        let report = try await fixture.network.cut([fixture.agent(5)])
        return (start, report)
      }
      // Both sides were told: nobody waits for a time-out.
      #expect(ending.reasons == [String](repeating: "ECONNRESET", count: count))
      let lastByte = Double(ending.lastByte - start) / 1e6
      let noticed = Double(ending.lastEnd - start) / 1e6
      print("cut of \(count) connections: last byte \(lastByte) ms, noticed \(noticed) ms, call \(report.total)")
      for outcome in report.outcomes { print("  \(outcome.step): \(outcome.duration), \(outcome.count)") }
      // The promise is 50 ms; a busy test machine gets more, but far less than a retransmission takes.
      #expect(lastByte < 250)
      #expect(report.outcomes.map(\.step) == CutReport.Step.allCases)
      #expect(report.outcomes.allSatisfy { $0.problem == nil })
      #expect(report.outcomes[0].count + report.outcomes[2].count >= count)
      try await fixture.withServer(port: 3128) { _ async throws in
        let gateway = fixture.configuration.gateway
        #expect(
          try await fixture.connect(from: handle, to: gateway, port: 3128, patience: 0.3) != "hello \(handle.address)")
        #expect(try await fixture.connect(from: bystander, to: gateway, port: 3128) == "hello \(bystander.address)")
      }
    }
  }

  @Test func aCutIsIdempotentAndLastsUntilRestored() async throws {
    try await NetworkFixture.with { fixture in
      let agent = try fixture.agent(5)
      let gateway = fixture.configuration.gateway
      // Before there is a network at all.
      _ = try await fixture.network.cut([agent])
      await #expect(throws: PalanaError.self) { try await fixture.prepare(5) }
      #expect(fixture.network.list().isEmpty)
      try await fixture.network.restore([agent])
      let handle = try await fixture.prepare(5)
      try await fixture.withServer(port: 3128) { _ async throws in
        #expect(try await fixture.connect(from: handle, to: gateway, port: 3128) == "hello \(handle.address)")
        for _ in 0..<2 { _ = try await fixture.network.cut([agent]) }
        #expect(fixture.network.list().map(\.isLive) == [false])
        #expect(fixture.network.list().map(\.isCut) == [true])
        await #expect(throws: PalanaError.self) { try await fixture.prepare(5) }
        // A desire that is older than the kill does not undo it.
        let report = try await fixture.network.reconcile(desired: [fixture.desire(5)])
        #expect(report.failures.isEmpty)
        #expect(try await fixture.connect(from: handle, to: gateway, port: 3128, patience: 0.3) == "timeout")
        try await fixture.network.restore([agent])
        #expect(try await fixture.connect(from: handle, to: gateway, port: 3128) == "hello \(handle.address)")
        try await fixture.network.restore([agent])
        #expect(fixture.network.list().map(\.isLive) == [true])
      }
    }
  }

  @Test func aCutHoldsOverReleaseAndAfterARestart() async throws {
    try await NetworkFixture.with { fixture in
      let agent = try fixture.agent(5)
      let handle = try await fixture.prepare(5)
      _ = try await fixture.network.cut([agent])
      try await fixture.network.release(agent)
      await #expect(throws: PalanaError.self) { try await fixture.prepare(5) }
      try await fixture.network.restore([agent])
      _ = try await fixture.prepare(5)
      // The next daemon learns of the kill from the store.
      let next = try fixture.restarted()
      _ = try await next.start()
      let report = try await next.reconcile(desired: [fixture.desire(5, isCut: true)])
      #expect(report.repairs.contains(.cut(agent)))
      #expect(next.list().map(\.isLive) == [false])
      try await fixture.withServer(port: 3128) { _ async throws in
        #expect(
          try await fixture.connect(from: handle, to: fixture.configuration.gateway, port: 3128, patience: 0.3)
            == "timeout")
      }
      await #expect(throws: PalanaError.self) { try await next.prepare(agent, address: fixture.address(5)) }
    }
  }

  @Test func aCutWorksWhenTheFirewallWasFlushed() async throws {
    try await NetworkFixture.with { fixture in
      let handle = try await fixture.prepare(5)
      let table = fixture.configuration.table
      let (ending, report) = try await fixture.stream(to: handle, connections: 3) { _ in
        try await fixture.command("nft", ["delete table bridge \(table); delete table inet \(table)"])
        return try await fixture.network.cut([fixture.agent(5)])
      }
      #expect(ending.reasons == ["ECONNRESET", "ECONNRESET", "ECONNRESET"])
      #expect(report.outcomes.first { $0.step == .firewall }?.problem != nil)
      #expect(report.outcomes.first { $0.step == .links }?.problem == nil)
      try await fixture.withServer(port: 3128) { _ async throws in
        let gateway = fixture.configuration.gateway
        #expect(try await fixture.connect(from: handle, to: gateway, port: 3128, patience: 0.3) == "timeout")
        // The next reconciliation brings the firewall back, and the agent stays out.
        let repairs = try await fixture.network.reconcile(desired: [fixture.desire(5, isCut: true)]).repairs
        #expect(repairs.contains(.firewall))
        #expect(try await fixture.connect(from: handle, to: gateway, port: 3128, patience: 0.3) == "timeout")
      }
    }
  }

  @Test func cutsAndPreparationsThatRaceEndCut() async throws {
    try await NetworkFixture.with { fixture in
      for round in 0..<10 {
        let number = 10 + round
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { _ = try? await fixture.prepare(number) }
          group.addTask { _ = try await fixture.network.cut([fixture.agent(number)]) }
          try await group.waitForAll()
        }
        let agent = try fixture.agent(number)
        #expect(!fixture.network.list().contains { $0.agent == agent && $0.isLive })
        let elements = try await fixture.command("nft", ["list", "set", "inet", fixture.configuration.table, "live"])
        #expect(!elements.contains("\(fixture.address(number))"))
      }
    }
  }

  @Test func thePlaneReports() async throws {
    try await NetworkFixture.with { fixture in
      _ = try await fixture.prepare(5)
      let (stream, continuation) = AsyncStream.makeStream(of: CutReport.self, bufferingPolicy: .bufferingNewest(1))
      let plane: any ContainmentPlane = NetworkPlane(fixture.network) { continuation.yield($0) }
      #expect(plane.name == "network")
      try await plane.cut([fixture.agent(5)])
      var reports = stream.makeAsyncIterator()
      let report = await reports.next()
      #expect(report?.outcomes.count == 4)
      try await plane.restore([fixture.agent(5)])
      #expect(fixture.network.list().map(\.isLive) == [true])
    }
  }
}
