import Foundation
import PalanaCore
import PalanaLocal
import PalanaPlan
import Testing

/// Making, adopting and removing networks in the real kernel.
@Suite(.enabled(if: NetworkFixture.isRoot))
struct AgentNetworkTests {
  @Test func anAgentReachesTheGatewayWithItsOwnAddress() async throws {
    try await NetworkFixture.with { fixture in
      let handle = try await fixture.prepare(5)
      try await fixture.withServer(port: 3128) { _ in
        let answer = try await fixture.connect(from: handle, to: fixture.configuration.gateway, port: 3128)
        #expect(answer == "hello \(fixture.address(5))")
      }
    }
  }

  @Test func preparingTwiceGivesTheSame() async throws {
    try await NetworkFixture.with { fixture in
      let first = try await fixture.prepare(5)
      let before = try FileManager.default.attributesOfItem(atPath: first.namespacePath)[.systemFileNumber] as? Int
      #expect(try await fixture.prepare(5) == first)
      let after = try FileManager.default.attributesOfItem(atPath: first.namespacePath)[.systemFileNumber] as? Int
      #expect(before == after)
    }
  }
}
