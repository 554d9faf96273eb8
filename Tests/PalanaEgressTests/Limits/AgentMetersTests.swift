import NIOCore
import PalanaCore
import Testing

@testable import PalanaEgress

@Suite struct AgentMetersTests {
  private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

  private func agent(_ name: String) throws -> AgentID {
    AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName(name))
  }

  @Test func connectionsAreCountedByAgent() throws {
    let meters = AgentMeters()
    let (a, b) = (try agent("a"), try agent("b"))
    #expect(meters.admit(a, limit: 2, perSecond: 0, now: Self.now) != nil)
    #expect(meters.admit(a, limit: 2, perSecond: 0, now: Self.now) != nil)
    #expect(meters.admit(a, limit: 2, perSecond: 0, now: Self.now) == nil)
    #expect(meters.admit(b, limit: 2, perSecond: 0, now: Self.now) != nil)
    #expect(meters.connections == 3)
    meters.release(a)
    #expect(meters.admit(a, limit: 2, perSecond: 0, now: Self.now) != nil)
  }

  /// Closing every connection does not give back what the rate has taken.
  @Test func theRateOutlivesTheConnections() throws {
    let meters = AgentMeters()
    let a = try agent("a")
    for _ in 0..<5 {
      #expect(meters.admit(a, limit: 10, perSecond: 1, now: Self.now) != nil)
      meters.release(a)
    }
    #expect(meters.admit(a, limit: 10, perSecond: 1, now: Self.now) == nil)
    meters.keep([a])
    #expect(meters.admit(a, limit: 10, perSecond: 1, now: Self.now) == nil)
    #expect(meters.admit(a, limit: 10, perSecond: 1, now: Self.now + .seconds(1)) != nil)
  }

  @Test func whoIsGoneIsForgottenWhenItsConnectionsAre() throws {
    let meters = AgentMeters()
    let a = try agent("a")
    let meter = try #require(meters.admit(a, limit: 10, perSecond: 0, now: Self.now))
    meters.keep([])
    #expect(meters.meter(of: a) === meter)
    meters.release(a)
    meters.keep([])
    #expect(meters.meter(of: a) !== meter)
  }

  @Test func requestsUnderWay() {
    let meter = AgentMeter()
    #expect(meter.beginRequest(limit: 2) && meter.beginRequest(limit: 2))
    #expect(!meter.beginRequest(limit: 2))
    meter.endRequest()
    #expect(meter.beginRequest(limit: 2))
    #expect(meter.beginRequest(limit: 0))
    #expect(meter.requestsInFlight == 3)
  }
}
