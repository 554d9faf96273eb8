import PalanaCore
import Testing

@testable import PalanaKube

@Suite struct LeaseStateTests {
  private let start = ContinuousClock.now

  private func record(_ holder: String, version: String, seconds: Int = 15, transitions: Int = 3) -> LeaseState.Record {
    var object = KubeObject(LeaderElection.leases, namespace: "n", name: "l")
    object["spec"] = [
      "holderIdentity": .string(holder), "leaseDurationSeconds": .number(JSONNumber(seconds)),
      "leaseTransitions": .number(JSONNumber(transitions)), "renewTime": "2000-01-01T00:00:00.000000Z",
    ]
    object.setMetadata("resourceVersion", .string(version))
    return LeaseState.Record(object)
  }

  @Test func nobodysLeaseIsTaken() {
    var state = LeaseState(identity: "me")
    #expect(state.claim(now: start) == .take)
    state.observe(record("", version: "1"), now: start)
    #expect(state.claim(now: start) == .take)
  }

  @Test func aLeaseIsFreeWhenItDidNotChangeForItsDuration() {
    var state = LeaseState(identity: "me")
    state.observe(record("other", version: "1"), now: start)
    #expect(state.claim(now: start + .seconds(14)) == .wait(until: start + .seconds(15)))
    // Seen again, unchanged: the time goes on.
    state.observe(record("other", version: "1"), now: start + .seconds(14))
    #expect(state.claim(now: start + .seconds(15)) == .take)
    // Renewed: it begins anew, whatever time its holder wrote into it.
    state.observe(record("other", version: "2"), now: start + .seconds(15))
    #expect(state.claim(now: start + .seconds(29)) == .wait(until: start + .seconds(30)))
  }

  @Test func ourOwnIsRenewed() {
    var state = LeaseState(identity: "me")
    state.observe(record("me", version: "1"), now: start)
    #expect(state.claim(now: start + .seconds(1000)) == .renew)
  }

  @Test func whatIsWritten() {
    var state = LeaseState(identity: "me")
    let now = Timestamp(seconds: 1_800_000_000)
    state.observe(record("other", version: "1"), now: start)
    let taken = state.spec(.take, duration: .seconds(15), acquired: "before", now: now)
    #expect(taken["holderIdentity"]?.string == "me" && taken["leaseTransitions"]?.int == 4)
    #expect(taken["acquireTime"]?.string == now.description && taken["leaseDurationSeconds"]?.int == 15)
    state.observe(record("me", version: "2", transitions: 4), now: start)
    let renewed = state.spec(.renew, duration: .seconds(15), acquired: "before", now: now)
    #expect(renewed["leaseTransitions"]?.int == 4 && renewed["acquireTime"]?.string == "before")
    #expect(renewed["renewTime"]?.string == now.description)
  }
}
