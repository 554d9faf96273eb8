import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import Synchronization
import Testing

@testable import PalanaEgress

/// Parts of the platform that are down: what cannot be decided, written down or looked up does not pass.
@Suite(.timeLimit(.minutes(10)))
struct UnavailableTests {
  typealias Options = GatewayFixture.Options

  // MARK: Audit

  /// The request that finds the audit broken has reached the upstream, but its answer never looks whole; from then on nothing goes
  /// out until a write works again.
  @Test func withoutAuditNothingPasses() async throws {
    var options = Options()
    options.certificate = nil
    options.threads = 1
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(fixture.plain("/before"))
        #expect(try await wire.response()?.status == 200)
        fixture.sink.setFails(true)
        try await wire.send(fixture.plain("/first"))
        #expect(try await wire.response() == nil)
      }
      for number in 0..<3 {
        try await fixture.client { wire in
          try await wire.send(fixture.plain("/while\(number)"))
          let answer = try await wire.response()
          #expect(answer?.status == 503)
          #expect(answer?.reason == "audit_unavailable")
        }
        let tunnel = try await fixture.client { wire in
          try await wire.send(fixture.connect("allowed.test"))
          return try await wire.response()
        }
        #expect(tunnel?.reason == "audit_unavailable")
      }
      #expect(upstream.requests.map { $0.prefix(8) } == ["GET /bef", "GET /fir"])
      // The first event, and the refusals, are counted as lost: nothing is silent about it.
      #expect(await fixture.gateway.statistics().lostEvents == 7)

      // The refusal that finds it working again is written down, and the next request passes.
      fixture.sink.setFails(false)
      try await fixture.client { wire in
        try await wire.send(fixture.plain("/after"))
        #expect(try await wire.response()?.reason == "audit_unavailable")
        try await wire.send(fixture.plain("/after"))
        #expect(try await wire.response()?.status == 200)
      }
      #expect(fixture.requestEvents.map(\.reason) == [nil, "audit_unavailable", nil])
    }
  }

  @Test func withoutAuditAWebsocketOrDownloadStillEnds() async throws {
    var options = Options()
    options.certificate = nil
    options.script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      try await wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
      _ = try await wire.rest()
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(fixture.plain())
        #expect(try await wire.head() != nil)
        fixture.sink.setFails(true)
        try await fixture.kill()
        _ = try await wire.rest()
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(await fixture.gateway.statistics().lostEvents > 0)
    }
  }

  // MARK: Guardrails

  @Test(arguments: [LayerVerdict.deny(.policyUnavailable, rule: "opa", explanation: "down"), .abstain])
  func aGuardrailThatCannotBeAskedDenies(verdict: LayerVerdict) async throws {
    let gate = Gate()
    gate.open()
    var options = Options()
    options.certificate = nil
    options.guardrails = [WaitingGuardrail(gate: gate, verdict: verdict)]
    try await GatewayFixture.run(options) { fixture, upstream in
      let isDown = verdict != .abstain
      try await fixture.client { wire in
        try await wire.send(fixture.plain())
        let answer = try await wire.response()
        #expect(answer?.status == (isDown ? 503 : 200))
        #expect(answer?.reason == (isDown ? "policy_unavailable" : nil))
      }
      #expect(upstream.connections == (isDown ? 0 : 1))
      #expect(await fixture.sink.events(1).map(\.reason) == [isDown ? "policy_unavailable" : nil])
    }
  }

  @Test func aGuardrailThatNeverAnswersEndsInARefusal() async throws {
    let gate = Gate()
    var options = Options()
    options.certificate = nil
    options.limits.streamTimeout = .milliseconds(100)
    options.limits.tick = .milliseconds(20)
    options.guardrails = [WaitingGuardrail(gate: gate)]
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(fixture.plain())
        let answer = try await wire.response()
        #expect(answer?.status == 503)
        #expect(answer?.reason == "policy_unavailable")
      }
      // Its answer comes too late, and changes nothing.
      gate.open()
      #expect(await fixture.isQuiet(upstream))
      #expect(upstream.connections == 0)
      #expect(fixture.requestEvents.map(\.reason) == ["policy_unavailable"])
    }
  }

  // MARK: Secrets

  @Test func withoutTheSecretStoreNoPlaceholderTravels() async throws {
    try await GatewayFixture.run { fixture, upstream in
      fixture.secrets.state.withLock { $0.isDown = true }
      try await fixture.tunnel { wire in
        let proof = GatewayFixture.basicOf("user:\(GatewayFixture.placeholder)")
        for field in ["authorization: Bearer \(GatewayFixture.placeholder)", "authorization: \(proof)"] {
          try await wire.send(fixture.request("/", field))
          let answer = try await wire.response()
          #expect(answer?.status == 503)
          #expect(answer?.reason == "secret_unavailable")
          #expect(answer?.body.contains("GITHUB_PAT") == false)
        }
        // What needs no secret passes.
        try await wire.send(fixture.request("/free"))
        #expect(try await wire.response()?.status == 200)
        // A key that was removed is the same to the agent.
        fixture.secrets.state.withLock { $0.isDown = false }
        fixture.secrets.set("token", nil)
        try await wire.send(fixture.request("/", "authorization: Bearer \(GatewayFixture.placeholder)"))
        #expect(try await wire.response()?.reason == "secret_unavailable")
      }
      #expect(upstream.requests.map { $0.prefix(9) } == ["GET /free"])
      let events = await fixture.sink.events(4)
      #expect(events.map(\.reason) == ["secret_unavailable", "secret_unavailable", nil, "secret_unavailable"])
      #expect(events.first?.secrets == ["GITHUB_PAT"])
    }
  }

  @Test(arguments: ["line\nbreak", "carriage\rreturn", "nul\u{0}", ""])
  func aValueThatCannotStandInAHeader(value: String) async throws {
    try await GatewayFixture.run { fixture, upstream in
      fixture.secrets.set("token", value)
      for isCached in [true, false] {
        fixture.secrets.state.withLock { $0.isCached = isCached }
        let answer = try await fixture.tunnel { wire in
          try await wire.send(fixture.request("/", "authorization: Bearer \(GatewayFixture.placeholder)"))
          return try await wire.response()
        }
        #expect(answer?.reason == "secret_unavailable")
      }
      #expect(upstream.requests.isEmpty)
    }
  }

  @Test(arguments: [true, false])
  func aRotationUnderLoadIsSeenWhollyOrNotAtAll(isCached: Bool) async throws {
    let values = (0..<8).map { "value-\($0)-" + String(repeating: "\($0)", count: 40) }
    try await GatewayFixture.run { fixture, upstream in
      fixture.secrets.set("token", values[0])
      fixture.secrets.state.withLock { $0.isCached = isCached }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          group.addTask {
            try await fixture.tunnel { wire in
              for _ in 0..<40 {
                let proof = GatewayFixture.basicOf("\(GatewayFixture.placeholder):\(GatewayFixture.placeholder)")
                try await wire.send(
                  fixture.request("/", "authorization: \(proof)", "x-other: 1"))
                #expect(try await wire.response()?.status == 200)
              }
            }
          }
        }
        for value in values.dropFirst() {
          let seen = upstream.requests.count
          _ = await fixture.eventually { upstream.requests.count > min(seen + 5, 155) }
          fixture.secrets.set("token", value)
        }
        try await group.waitForAll()
      }
      let proofs = Set(values.map { GatewayFixture.basicOf("\($0):\($0)") })
      let sent = upstream.requests.compactMap { Response($0)["authorization"] }
      #expect(sent.count == 160)
      // Both places of one request hold one value.
      #expect(sent.allSatisfy(proofs.contains))
      #expect(Set(sent).count > 1)
      #expect(await fixture.sink.events(160).count == 160)
    }
  }
}

extension GatewayFixture {
  /// A Basic credential of `text`.
  static func basicOf(_ text: String) -> String {
    "Basic " + String(decoding: Base64.encode(Array(text.utf8)), as: UTF8.self)
  }
}
