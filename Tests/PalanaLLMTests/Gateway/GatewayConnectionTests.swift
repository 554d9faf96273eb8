import NIOHTTP1
import Testing

@testable import PalanaLLM

/// The gateway's connections to upstreams.
@Suite(.timeLimit(.minutes(2))) struct GatewayConnectionTests {
  static let path = GatewayCallTests.path

  /// A handshake for every call would cost more than all else. What an agent's call carries is its own all the same.
  @Test func connectionsAreKept() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        for _ in 0..<8 {
          for agent in [world.agent, world.agent, world.other] {
            let status = try await agent.post(Self.path, GatewayCallTests.chat()).status
            #expect(status == 200)
          }
        }
        let requests = upstream.requests
        // One for each of the two event loops.
        #expect(Set(requests.map(\.port)).count == 2)
        let credentials = requests.map { $0.field("authorization") ?? "" }
        let expected = ["demo", "demo", "other"].map { "Bearer \(GatewayWorld.key)-\($0)" }
        #expect(credentials == (0..<8).flatMap { _ in expected })
      }
    }
  }

  @Test func anUpstreamMayEndThem() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.whole(.ok, [("connection", "close")], GatewayCallTests.completion())
      try await answer.close()
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        for number in 1...8 {
          let answer = try await world.agent.post(Self.path, GatewayCallTests.chat())
          #expect(answer.status == 200, "\(number): \(answer.body)")
        }
        #expect(Set(upstream.requests.map(\.port)).count == 8)
      }
    }
  }
}
