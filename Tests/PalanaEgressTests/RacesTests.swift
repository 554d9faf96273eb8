import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import Synchronization
import Testing

@testable import PalanaEgress

/// What changes while a request waits for something counts for that request.
@Suite(.timeLimit(.minutes(10)))
struct RacesTests {
  @Test func aPolicyThatBecomesStricterWhileAGuardrailThinks() async throws {
    let gate = Gate()
    var options = GatewayFixture.Options()
    options.certificate = nil
    options.guardrails = [WaitingGuardrail(gate: gate)]
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(fixture.plain())
        #expect(await fixture.eventually { gate.arrivals == 1 })
        var stricter = GatewayFixture.Options()
        stricter.rulesA = [EgressRule(host: "other.test", ports: [Int(upstream.port)])]
        await fixture.gateway.apply(try fixture.snapshot(2, options: stricter))
        gate.open()
        #expect(try await wire.response()?.reason == "host_not_allowed")
      }
      #expect(upstream.connections == 0)
      #expect(fixture.requestEvents.map(\.reason) == ["host_not_allowed"])
    }
  }

  @Test func aSecretThatIsUnboundWhileItIsFetched() async throws {
    let gate = Gate()
    try await GatewayFixture.run { fixture, upstream in
      fixture.secrets.state.withLock {
        $0.isCached = false
        $0.gate = gate
      }
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", "authorization: Bearer \(GatewayFixture.placeholder)"))
        #expect(await fixture.eventually { gate.arrivals == 1 })
        var without = GatewayFixture.Options()
        without.bindings = []
        await fixture.gateway.apply(try fixture.snapshot(2, options: without))
        gate.open()
        #expect(try await wire.response()?.status == 403)
      }
      #expect(upstream.requests.isEmpty)
      #expect(!fixture.sink.text.contains(GatewayFixture.canary))
    }
  }

  @Test func aSecretThatIsUnboundWhileTheUpstreamIsDialled() async throws {
    let server = try await NameServer(
      NameServer.Zone(answers: ["late.names.test": [[.address([127, 0, 0, 1])]]], silent: ["late.names.test"]))
    var options = GatewayFixture.Options()
    options.certificate = "late.names.test"
    options.nameServers = [.init(address: .v4(0x7f00_0001), port: server.port)]
    try await GatewayFixture.run(options) { fixture, upstream in
      var bound = GatewayFixture.Options()
      bound.bindings = [try fixture.binding(host: "late.names.test")]
      await fixture.gateway.apply(try fixture.snapshot(2, options: bound))
      try await fixture.tunnel("late.names.test") { wire in
        try await wire.send(
          fixture.request("/", host: "late.names.test", "authorization: Bearer \(GatewayFixture.placeholder)"))
        #expect(await fixture.eventually { !server.questions.isEmpty })
        bound.bindings = []
        await fixture.gateway.apply(try fixture.snapshot(3, options: bound))
        // The resolver asks again, and this time it is answered.
        server.speak()
        #expect(try await wire.response()?.status == 403)
      }
      #expect(upstream.requests.isEmpty)
    }
    await server.stop()
  }
}
