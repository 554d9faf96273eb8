import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// The parts of transparent mode that need no socket.
struct TransparentPartsTests {
  private static func agent(_ name: String = "a") throws -> AgentID {
    AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName(name))
  }

  private static func host(_ text: String) throws -> CanonicalHost { try CanonicalHost.parse(text) }

  // MARK: Addresses for names

  @Test func anAddressLeadsToOneNameOfOneAgent() throws {
    let names = SyntheticNames(range: try CIDR("198.18.0.0/15"))
    let now = NIODeadline.now()
    let (a, b) = (try Self.agent(), try Self.agent("b"))
    let first = try #require(names.address(of: Self.host("one.test"), for: a, now: now))
    let second = try #require(names.address(of: Self.host("two.test"), for: a, now: now))
    #expect(first != second)
    #expect(names.address(of: try Self.host("one.test"), for: a, now: now) == first)
    #expect(names.host(at: .v4(first), for: a, now: now)?.description == "one.test")
    #expect(names.host(at: .v4(second), for: a, now: now)?.description == "two.test")
    // Another agent's table is another one.
    #expect(names.host(at: .v4(first), for: b, now: now) == nil)
    let others = try #require(names.address(of: Self.host("three.test"), for: b, now: now))
    #expect(names.host(at: .v4(others), for: b, now: now)?.description == "three.test")
    #expect(names.host(at: .v4(others), for: a, now: now)?.description == "one.test")
    names.keep([b])
    #expect(names.host(at: .v4(first), for: a, now: now) == nil)
    #expect(names.count == 1)
  }

  @Test(arguments: ["198.18.0.0", "198.17.255.255", "198.18.16.1", "198.20.0.1", "0.0.0.0", "255.255.255.255", "::1"])
  func otherAddressesStandForNothing(_ text: String) throws {
    let names = SyntheticNames(range: try CIDR("198.18.0.0/15"))
    _ = names.address(of: try Self.host("one.test"), for: try Self.agent(), now: .now())
    #expect(names.host(at: try #require(IPAddress(text)), for: try Self.agent(), now: .now()) == nil)
  }

  @Test func aFullTableGivesOnlyWhatIsNoLongerUsed() throws {
    let names = SyntheticNames(range: try CIDR("198.18.0.0/24"), mostNames: 3)
    let agent = try Self.agent()
    let start = NIODeadline.uptimeNanoseconds(1)
    let addresses = try ["a.test", "b.test", "c.test"].map { try #require(names.address(of: Self.host($0), for: agent, now: start)) }
    let almost = start + SyntheticNames.life - .nanoseconds(1)
    #expect(names.address(of: try Self.host("d.test"), for: agent, now: almost) == nil)
    // A connection is a use: `a.test` keeps its address, `b.test` loses it.
    #expect(names.host(at: .v4(addresses[0]), for: agent, now: almost) != nil)
    let later = start + SyntheticNames.life
    #expect(names.address(of: try Self.host("d.test"), for: agent, now: later) == addresses[1])
    #expect(names.host(at: .v4(addresses[1]), for: agent, now: later)?.description == "d.test")
    #expect(names.address(of: try Self.host("a.test"), for: agent, now: later) == addresses[0])
    #expect(names.address(of: try Self.host("e.test"), for: agent, now: later) == addresses[2])
    #expect(names.address(of: try Self.host("f.test"), for: agent, now: later) == nil)
    #expect(names.count == 3)
  }

  @Test(arguments: ["10.0.0.0/7", "198.18.0.0/25", "fd00::/16"])
  func aWrongRangeIsRefused(_ text: String) throws {
    let range = try CIDR(text)
    #expect(throws: PalanaError.self) { try TransparentConfiguration(listenPort: 1, range: range) }
  }

  // MARK: Limits

  @Test func aBudgetFillsUpAgainAndIsEachAgentsOwn() throws {
    var budget = QueryBudget(perSecond: 10, atOnce: 5)
    let (a, b) = (try Self.agent(), try Self.agent("b"))
    let start = NIODeadline.uptimeNanoseconds(1)
    let first = (0..<6).map { _ in budget.take(a, now: start) }
    #expect(first == [true, true, true, true, true, false])
    let next = [
      budget.take(b, now: start), budget.take(a, now: start + .milliseconds(50)),
      budget.take(a, now: start + .milliseconds(200)),
    ]
    #expect(next == [true, false, true])
    let full = (0..<6).map { _ in budget.take(a, now: start + .hours(1)) }
    #expect(full == [true, true, true, true, true, false])
    budget.keep([b])
    #expect(budget.count == 1)
  }

  @Test func floodsOfNamesAreFewEventsAndDeniedNamesAreSeen() throws {
    var log = ResolutionLog()
    let agent = AuditEvent.AgentRef(id: try Self.agent(), name: "a", owner: try UserIdentity("alice@example.com"))
    let start = NIODeadline.uptimeNanoseconds(1)
    var written: [AuditEvent] = []
    func ask(_ name: String, _ denial: DenialReason? = .hostNotAllowed) throws {
      let note = ResolutionLog.Note(
        agent: agent, source: .init(ip: .v4(1), port: 1), host: try Self.host(name), type: 1, denial: denial)
      if let event = log.add(note, now: start, clock: .system, id: "x") { written.append(event) }
    }
    for _ in 0..<50 { try ask("evil.test") }
    for _ in 0..<50 { try ask("evil.test", nil) }
    #expect(written.map(\.decision) == [.deny, .allow])
    #expect(written.first?.request?.host == "evil.test" && written.first?.action == "resolve")
    for number in 0..<10_000 { try ask("n\(number).evil.test") }
    #expect(written.count == ResolutionLog.mostNames + 1)
    #expect(log.due(start + .seconds(9), clock: .system) { "y" }.isEmpty)
    let counted = log.due(start + .seconds(10), clock: .system) { "y" }
    // Together with the first ones, every question is in exactly one event.
    let total = written.count + counted.reduce(0) { $0 + (Int($1.details["questions"] ?? "1") ?? 0) }
    #expect(total == 10_100)
    #expect(log.due(.distantFuture, clock: .system) { "y" }.isEmpty)
  }

  // MARK: First bytes

  @Test(arguments: [
    ("", FirstBytes.needsMore), ("\u{16}", .tls), ("GET / HTTP/1.1", .http), ("GET", .needsMore), ("M-SEARCH * ", .http),
    (" GET", .other), ("SSH-2.0-OpenSSH_9.2\r\n", .other), ("get / ", .other), ("\r\nGET / ", .other), ("EHLO\r\n", .other),
    (String(repeating: "A", count: 32), .needsMore), (String(repeating: "A", count: 33), .other), ("\u{0}", .other),
    ("{\"a\":1}", .other),
  ])
  func theFirstBytesTellTheProtocol(_ text: String, _ expected: FirstBytes) {
    #expect(FirstBytes.read(ByteBuffer(string: text)) == expected)
    // However they are cut, no prefix says something else.
    for length in 0..<text.utf8.count {
      let early = FirstBytes.read(ByteBuffer(bytes: Array(text.utf8.prefix(length))))
      #expect(early == .needsMore || early == expected)
    }
  }

  // MARK: Questions to the policy

  @Test func aHostIsAskedAboutInEveryWayThatARuleNames() throws {
    let rules = [
      EgressRule(host: "a.test", ports: [8443, 443], schemes: ["https"]), EgressRule(host: "**.a.test", ports: [8080], schemes: ["http"]),
      EgressRule(action: .deny, host: "a.test", ports: [25]),
    ]
    let core = DecisionCore(rules: try CompiledRules([RuleSource(name: "agent", rules: rules)]))
    let owner = try UserIdentity("alice@example.com")
    let subject = PolicySubject(id: try Self.agent(), name: try ResourceName("a"), owner: owner, template: nil, labels: [:])
    func asked(_ host: String) throws -> Set<String> {
      Set(
        core.questions(whether: subject, mayReach: try Self.host(host)).map {
          "\($0.scheme.rawValue) \($0.authority.port) \($0.stage.rawValue)"
        })
    }
    let usual: Set = ["https 443 authority", "http 80 authority"]
    #expect(try asked("a.test") == usual.union(["https 8443 authority"]))
    #expect(try asked("b.a.test") == usual.union(["http 8080 authority"]))
    #expect(try asked("elsewhere.example") == usual)
  }

  @Test func theWaysToAHostAreBounded() throws {
    let rules = (0..<200).map { EgressRule(host: "a.test", ports: [1000 + $0]) }
    let core = DecisionCore(rules: try CompiledRules([RuleSource(name: "agent", rules: rules)]))
    let owner = try UserIdentity("alice@example.com")
    let subject = PolicySubject(id: try Self.agent(), name: try ResourceName("a"), owner: owner, template: nil, labels: [:])
    #expect(core.questions(whether: subject, mayReach: try Self.host("a.test")).count == 18)
  }
}
