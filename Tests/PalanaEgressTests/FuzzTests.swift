import Fuzzing
import PalanaAPI
import PalanaAudit
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// Mutations of well-formed messages, the same ones in every run.
///
/// A trap ends the test run. Beyond that: nothing that is not allowed reaches an upstream, and each request has one event. The parsers
/// alone are looked at by ``FuzzTarget``.
@Suite(.timeLimit(.minutes(10)))
struct FuzzTests {
  typealias Dice = FuzzDice

  static func mutate(_ text: [UInt8], _ dice: inout Dice) -> [UInt8] { dice.mutated(text) }

  // MARK: The whole gateway

  @Test func mutatedRequestsReachNothingThatIsNotAllowed() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    try await GatewayFixture.run(options) { fixture, upstream in
      let rules = [
        EgressRule(host: "allowed.test", ports: [Int(upstream.port)], methods: ["GET", "POST"], paths: ["/ok/**"])
      ]
      var stricter = GatewayFixture.Options()
      stricter.rulesA = rules
      await fixture.gateway.apply(try fixture.snapshot(2, options: stricter))
      let seeds = [
        fixture.plain("/ok/1?q=1", "x-a: b"), fixture.plain("/ok/2", method: "POST", "content-length: 5") + "hello",
        fixture.plain("/ok/3", method: "POST", "transfer-encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n",
        fixture.plain("/ok/4", "authorization: Bearer \(GatewayFixture.placeholder)"),
      ]
      var dice = Dice(4)
      for number in 0..<400 {
        let bytes = Self.mutate(Array((seeds.randomElement(using: &dice) ?? "").utf8), &dice)
        // A well-formed request that asks for the end, so that each connection ends soon.
        let last = fixture.plain("/ok/last", "connection: close")
        _ = try? await fixture.client { wire in
          try await wire.send(bytes + Array(last.utf8))
          try await wire.finishWriting()
          return try await wire.rest()
        }
        if number % 100 == 99 { #expect(await fixture.isQuiet(upstream)) }
      }
      // Every head that the upstream got is one that the rules allow, and that it can read one way only.
      #expect(!upstream.requests.isEmpty)
      for head in upstream.requests {
        let line = head.prefix { $0 != "\r\n" }.split(separator: " ")
        #expect(line.count == 3, "\(head)")
        #expect(line.first == "GET" || line.first == "POST", "\(head)")
        #expect(line.dropFirst().first?.hasPrefix("/ok/") == true, "\(head)")
        let hosts = Response(head).fields.filter { $0.name == "host" }.map(\.value)
        #expect(hosts == ["allowed.test:\(upstream.port)"], "\(head)")
        #expect(Response(head).fields.count { $0.name == "content-length" || $0.name == "transfer-encoding" } <= 1, "\(head)")
        // No secret is bound to plain HTTP, and no placeholder travels on in a head.
        #expect(!head.contains(GatewayFixture.canary) && !head.contains(GatewayFixture.placeholder), "\(head)")
      }
      let ids = fixture.requestEvents.compactMap(\.request?.id)
      #expect(Set(ids).count == ids.count)
      #expect(ids.count >= upstream.requests.count)
    }
  }

  @Test func mutatedResponsesHarmNobodyElse() async throws {
    let seeds = FuzzTarget.response.seeds
    var options = GatewayFixture.Options()
    options.certificate = nil
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      let number = head.split(separator: " ").dropFirst().first.flatMap { UInt64($0.dropFirst()) } ?? 0
      var dice = Dice(1000 + number)
      try await wire.send(Self.mutate(seeds[Int(number) % seeds.count], &dice))
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      for number in 0..<400 {
        _ = try? await fixture.client { wire in
          try await wire.send(fixture.plain("/\(number)", "connection: close"))
          return try await wire.rest()
        }
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.compactMap(\.request?.path) == (0..<400).map { "/\($0)" })
      #expect(Set(fixture.requestEvents.map(\.decision)).isSubset(of: [.allow, .error]))
    }
  }
}
