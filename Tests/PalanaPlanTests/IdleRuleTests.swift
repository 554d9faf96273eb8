import PalanaCore
import PalanaPlan
import Testing

@Suite struct IdleRuleTests {
  private static let start = Timestamp(seconds: 1_000_000)

  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var idleAfter: Int64 = 3_600
    /// Seconds since the last activity.
    var silent: Int64
    /// Seconds since the warning.
    var warned: Int64?
    var expected: IdleRule.Decision
  }

  /// The notice is ten minutes, or half of an agent's time.
  static let rows: [Row] = [
    Row(testDescription: "active", silent: 0, expected: .leave),
    Row(testDescription: "just before the notice", silent: 2_999, expected: .leave),
    Row(testDescription: "the notice", silent: 3_000, expected: .warn(stopsAt: start + .seconds(600))),
    Row(testDescription: "warned a moment ago", silent: 3_001, warned: 1, expected: .leave),
    Row(testDescription: "warned, the last moment", silent: 3_599, warned: 599, expected: .leave),
    Row(testDescription: "warned and over", silent: 3_600, warned: 600, expected: .stop),
    Row(testDescription: "over, never warned", silent: 90_000, expected: .warn(stopsAt: start + .seconds(600))),
    Row(testDescription: "over, warned late", silent: 90_000, warned: 599, expected: .leave),
    Row(testDescription: "over, warned long ago", silent: 90_000, warned: 600, expected: .stop),
    Row(testDescription: "warned before it did something", silent: 3_000, warned: 3_001, expected: .warn(stopsAt: start + .seconds(600))),
    Row(testDescription: "warned in the future", silent: 90_000, warned: -5, expected: .warn(stopsAt: start + .seconds(600))),
    Row(testDescription: "active in the future", silent: -5, expected: .leave),
    Row(testDescription: "a short time has a short notice", idleAfter: 60, silent: 30, expected: .warn(stopsAt: start + .seconds(30))),
    Row(testDescription: "a short time is over", idleAfter: 60, silent: 60, warned: 30, expected: .stop),
  ]

  @Test(arguments: rows) func decides(_ row: Row) {
    let facts = IdleRule.Facts(
      idleAfter: .seconds(row.idleAfter), lastActivity: Self.start - .seconds(row.silent),
      warnedAt: row.warned.map { Self.start - .seconds($0) })
    #expect(IdleRule(warnBefore: .seconds(600)).decide(facts, now: Self.start) == row.expected)
  }

  @Test func theBookKeepsTheLatest() throws {
    let book = ActivityBook()
    let id = AgentID(owner: try UserIdentity("alice"), name: try ResourceName("demo"))
    #expect(book.last(of: id, now: Self.start) == nil)
    book.note(id, at: Self.start)
    book.note(id, at: Self.start - .seconds(5))
    #expect(book.last(of: id, now: Self.start + .seconds(9)) == Self.start)
    // As long as a command runs in it, it is in use.
    book.hold(id, at: Self.start + .seconds(1))
    book.hold(id, at: Self.start + .seconds(2))
    book.release(id, at: Self.start + .seconds(3))
    book.keep([])
    #expect(book.last(of: id, now: Self.start + .seconds(99)) == Self.start + .seconds(99))
    book.release(id, at: Self.start + .seconds(4))
    #expect(book.last(of: id, now: Self.start + .seconds(99)) == Self.start + .seconds(4))
    book.keep([])
    #expect(book.last(of: id, now: Self.start) == nil)
  }
}
