import PalanaCore
import Testing

@testable import PalanaPlan

/// What an agent finds in its environment, where the recorded plans show only what is usual.
@Suite struct AgentEnvironmentTests {
  private func variables(_ written: [String: String]) throws -> [String: String] {
    AgentEnvironment(
      agent: try ResourceName("demo"), owner: try UserIdentity("alice@example.com"),
      platform: PlatformFacts(gateway: .v4(0x0a4d_0001), prefix: 16, proxyPort: 3128)
    ).variables(written: written, bindings: [])
  }

  private static let git = ["GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"]

  @Test func gitSpeaksHTTP1UnlessTheAgentHasSettingsOfItsOwn() throws {
    let usual = try variables(["A": "b"])
    #expect(Self.git.map { usual[$0] } == ["1", "http.version", "HTTP/1.1"] && usual["A"] == "b")
    // Those that an agent counts are its own, all of them: a pair of ours must not be counted as one of them.
    let own = try variables(["GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name"])
    #expect(Self.git.map { own[$0] } == ["1", "user.name", nil])
    let none = try variables(["GIT_CONFIG_COUNT": "0"])
    #expect(Self.git.map { none[$0] } == ["0", nil, nil])
  }
}
