import PalanaCore
import PalanaOperator
import Testing

@Suite struct WakeHostTests {
  private static let id = "demo-0123456789"

  @Test(arguments: ["\(id)-8080.agents.example.com", "\(id)-8080.agents.example.com:443", "DEMO-0123456789-1.Agents.Example.Com"])
  func namesAnAgent(_ host: String) { #expect(WakeHost.agent(host, domain: "agents.example.com")?.text == Self.id) }

  @Test(arguments: [
    "", ".", "agents.example.com", ".agents.example.com", "x.agents.example.com", "\(id).agents.example.com",
    "\(id)-0.agents.example.com", "\(id)-65536.agents.example.com", "\(id)-8080.agents.example.com.evil.test",
    "\(id)-8080.agents.example.org", "a.\(id)-8080.agents.example.com", "\(id)--1.agents.example.com", "-8080.agents.example.com",
    "\(id)-8080agents.example.com", String(repeating: "a", count: 400) + ".agents.example.com",
  ]) func namesNobody(_ host: String) { #expect(WakeHost.agent(host, domain: "agents.example.com") == nil) }
}
