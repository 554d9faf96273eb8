import Testing

@testable import PalanaLLM

@Suite struct DialectTests {
  @Test func hasItsNameInConfigurations() {
    #expect(Dialect.allCases.map(\.rawValue) == ["openai-chat", "openai-responses", "openai-embeddings", "anthropic-messages"])
  }
}
