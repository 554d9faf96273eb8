import PalanaCore
import Testing

@testable import PalanaEgress

/// Who does something is known, also while no request ends.
@Suite struct ActivityTests {
  @Test func requestsAndBytesAreActivity() async throws {
    try await GatewayFixture.run { fixture, _ in
      #expect(await fixture.gateway.activity().isEmpty)
      let id = try GatewayFixture.idA
      try await fixture.client { wire in
        try await wire.send(fixture.connect("allowed.test"))
        try #require(try await wire.head()?.hasPrefix("HTTP/1.1 200 ") == true)
        #expect(await fixture.eventually { await fixture.gateway.activity()[id] != nil })
        let first = try #require(await fixture.gateway.activity()[id])
        // The handshake inside of the tunnel is nobody's request yet.
        try await wire.startTLS(fixture.clientTLS, name: "allowed.test")
        #expect(await fixture.eventually { await fixture.gateway.activity()[id].map { $0 > first } ?? false })
      }
      #expect(Set(await fixture.gateway.activity().keys) == [id])
    }
  }
}
