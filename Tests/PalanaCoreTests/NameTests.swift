import PalanaCore
import Testing

@Suite struct NameTests {
  @Test(arguments: ["a", "demo", "a-b", "0", "a0-9z", String(repeating: "a", count: 40)])
  func names(_ text: String) throws {
    #expect(try ResourceName(text).text == text)
  }

  @Test(arguments: [
    "", "-", "a-", "-a", "A", "a_b", "a.b", "a b", "a/b", "../x", "é", "a\n", "a\0", String(repeating: "a", count: 41),
  ])
  func refusedNames(_ text: String) {
    #expect(throws: PalanaError.self) { try ResourceName(text) }
  }

  @Test(arguments: [
    ("Alice@Example.com", "alice-example-com"), ("", "x"), ("---", "x"), ("日本", "x"), ("a__b", "a-b"),
    ("../../etc", "etc"),
  ])
  func sanitized(_ raw: String, _ name: String) {
    #expect(SanitizedName(sanitizing: raw).text == name)
  }

  @Test func aSanitizedNameIsAlwaysAName() throws {
    var generator = SeededGenerator(seed: 9)
    for _ in 0..<500 {
      let bytes = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
        UInt8.random(in: 1...255, using: &generator)
      }
      let sanitized = SanitizedName(sanitizing: String(decoding: bytes, as: UTF8.self))
      #expect(throws: Never.self) { try ResourceName(sanitized.text) }
    }
  }

  @Test(arguments: ["alice@example.com", "root", "x", "Ünsal@example.com", "a b", String(repeating: "a", count: 254)])
  func identities(_ raw: String) throws {
    #expect(try UserIdentity(raw).raw == raw)
  }

  @Test(arguments: [
    "", " a", "a ", "a\n", "\ta", "a\u{7f}", "a\u{85}b", "a\u{2028}b", "a\u{202e}moc.elpmaxe", "a\u{200b}b", "\u{a0}a",
    "a\u{3000}", String(repeating: "a", count: 255),
  ])
  func refusedIdentities(_ raw: String) {
    #expect(throws: PalanaError.self) { try UserIdentity(raw) }
  }

  @Test func identitiesThatOnlyLookAlikeAreTwo() throws {
    let composed = try UserIdentity("jos\u{e9}@example.com")
    let decomposed = try UserIdentity("jose\u{301}@example.com")
    #expect(composed.raw == decomposed.raw, "Swift's strings are equal")
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed]).count == 2)
    let name = try ResourceName("demo")
    #expect(AgentID(owner: composed, name: name) != AgentID(owner: decomposed, name: name))
  }

  @Test func agentIdentifiersTellOwnersApart() throws {
    let one = AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName("demo"))
    #expect(one.text == "demo-af04296fd8")
    #expect(AgentID(parsing: one.text) == one)
    let two = AgentID(owner: try UserIdentity("bob@example.com"), name: try ResourceName("demo"))
    #expect(one != two)
    // The pair is hashed with a separator: (`ab`, `c`) is not (`a`, `bc`).
    let three = AgentID(owner: try UserIdentity("ab"), name: try ResourceName("c"))
    let four = AgentID(owner: try UserIdentity("a"), name: try ResourceName("bc"))
    #expect(three.text.suffix(10) != four.text.suffix(10))
  }

  @Test(arguments: [
    "", "demo", "demo-", "demo-123456789", "demo-123456789G", "demo-123456789A", "-1234567890", "De-1234567890",
  ])
  func refusedAgentIdentifiers(_ text: String) {
    #expect(AgentID(parsing: text) == nil)
  }
}
