import PalanaCore
import PalanaSecrets
import Synchronization
import Testing

/// A store in memory that counts its reads and can hold them back.
final class FakeStore: Sendable {
  private struct State {
    var values: [SecretPath: [String: Redacted<String>]] = [:]
    var error: PalanaError?
    var reads = 0
    var isHeld = false
    var held: [CheckedContinuation<Void, Never>] = []
    var observers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
  }
  private let state = Mutex(State())

  var reads: Int { state.withLock { $0.reads } }
  func set(_ ref: SecretRef, _ value: String?) {
    state.withLock { $0.values[ref.path] = value.map { [ref.key: Redacted($0)] } }
  }
  func fail(_ error: PalanaError?) { state.withLock { $0.error = error } }
  func hold() { state.withLock { $0.isHeld = true } }
  func release() {
    let held = state.withLock { state in
      state.isHeld = false
      defer { state.held = [] }
      return state.held
    }
    for waiter in held { waiter.resume() }
  }

  /// Returns when so many reads have begun.
  func began(_ count: Int) async {
    await withCheckedContinuation { continuation in
      let isDone = state.withLock { state in
        if state.reads >= count { return true }
        state.observers.append((count, continuation))
        return false
      }
      if isDone { continuation.resume() }
    }
  }

  /// What was there when the read began, as a real store that answers late.
  func read(_ path: SecretPath) async throws(PalanaError) -> [String: Redacted<String>] {
    let (values, error, woken) = state.withLock { state in
      state.reads += 1
      let woken = state.observers.filter { $0.count <= state.reads }
      state.observers.removeAll { $0.count <= state.reads }
      return (state.values[path], state.error, woken.map(\.continuation))
    }
    for observer in woken { observer.resume() }
    await withCheckedContinuation { continuation in
      let passes = state.withLock { state in
        if !state.isHeld { return true }
        state.held.append(continuation)
        return false
      }
      if passes { continuation.resume() }
    }
    if let error { throw error }
    guard let values else { throw PalanaError(.notFound, "nothing") }
    return values
  }
}

@Suite struct CachingSecretSourceTests {
  let store = FakeStore()
  let time = ManualTime()

  private func source(_ limits: CachingSecretSource.Limits = .init()) -> CachingSecretSource {
    CachingSecretSource(limits: limits, clock: time.clock) { [store] path async throws(PalanaError) in
      try await store.read(path)
    }
  }

  @Test func aValueIsFetchedOnceAndEndsWithItsLife() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "v1")
    #expect(source.cachedValue(of: ref, revision: 1) == nil)
    #expect(try await source.value(of: ref, revision: 1).reveal() == "v1")
    #expect(source.cachedValue(of: ref, revision: 1)?.reveal() == "v1")
    time.advance(by: .seconds(30) - .nanoseconds(1))
    #expect(source.cachedValue(of: ref, revision: 1)?.reveal() == "v1")
    time.advance(by: .nanoseconds(1))
    #expect(source.cachedValue(of: ref, revision: 1) == nil)
    #expect(store.reads == 1)
  }

  @Test func anUnreachableStoreGivesNothingOnceTheLifeIsOver() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "v1")
    _ = try await source.value(of: ref, revision: 1)
    store.fail(PalanaError(.unreachable, "down"))
    time.advance(by: .seconds(29))
    #expect(try await source.value(of: ref, revision: 1).reveal() == "v1")
    time.advance(by: .seconds(1))
    #expect(await failure { _ = try await source.value(of: ref, revision: 1) }?.code == .unreachable)
    #expect(source.cachedValue(of: ref, revision: 1) == nil)
  }

  @Test func theLifeBeginsWithTheFetchNotWithItsEnd() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "v1")
    store.hold()
    async let value = source.value(of: ref, revision: 1)
    await store.began(1)
    time.advance(by: .seconds(30))
    store.release()
    _ = try await value
    #expect(source.cachedValue(of: ref, revision: 1) == nil)
  }

  @Test func aNewRevisionNeverGetsTheOldValue() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "old")
    _ = try await source.value(of: ref, revision: 1)
    store.set(ref, "new")
    #expect(source.cachedValue(of: ref, revision: 2) == nil)
    #expect(try await source.value(of: ref, revision: 2).reveal() == "new")
  }

  @Test func aLateAnswerOfAnOldFetchDoesNotReplaceANewerOne() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "old")
    store.hold()
    async let old = source.value(of: ref, revision: 1)
    await store.began(1)
    store.set(ref, "new")
    time.advance(by: .milliseconds(1))
    async let new = source.value(of: ref, revision: 2)
    await store.began(2)
    store.release()
    #expect(try await new.reveal() == "new")
    #expect(try await old.reveal() == "old")
    #expect(source.cachedValue(of: ref, revision: 2)?.reveal() == "new")
  }

  @Test func aSecretThatIsAddedAgainStartsFromItsFirstRevision() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "old")
    _ = try await source.value(of: ref, revision: 7)
    store.set(ref, "new")
    time.advance(by: .milliseconds(1))
    #expect(try await source.value(of: ref, revision: 1).reveal() == "new")
    #expect(source.cachedValue(of: ref, revision: 1)?.reveal() == "new")
  }

  @Test func aSecretThatIsAddedAgainAfterItWasForgottenIsNeverTheOldOne() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "old")
    _ = try await source.value(of: ref, revision: 1)
    store.set(ref, "new")
    source.forget(agent: AgentID(owner: ref.path.owner, name: ref.path.agent))
    #expect(source.cachedValue(of: ref, revision: 1) == nil)
    #expect(try await source.value(of: ref, revision: 1).reveal() == "new")
  }

  @Test func manyWaitForOneFetch() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "v1")
    store.hold()
    try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<100 { group.addTask { try await source.value(of: ref, revision: 1).reveal() } }
      await store.began(1)
      store.release()
      for try await value in group { #expect(value == "v1") }
    }
    #expect(store.reads == 1)
  }

  @Test func aCancelledLeaderDoesNotTakeTheOthersWithIt() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "v1")
    store.hold()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { _ = try? await source.value(of: ref, revision: 1) }
      await store.began(1)
      group.cancelAll()
      async let second = source.value(of: ref, revision: 1)
      store.release()
      #expect(((try? await second)?.reveal()) == "v1")
    }
  }

  @Test func thatThereIsNothingIsRememberedForAMoment() async throws {
    let (source, ref) = (source(), try Names.ref())
    #expect(await failure { _ = try await source.value(of: ref, revision: 1) }?.code == .notFound)
    #expect(await failure { _ = try await source.value(of: ref, revision: 1) }?.code == .notFound)
    #expect(store.reads == 1)
    store.set(ref, "v1")
    time.advance(by: .seconds(1))
    #expect(try await source.value(of: ref, revision: 1).reveal() == "v1")
  }

  @Test func aMissingKeyIsNotFound() async throws {
    let source = source()
    store.set(try Names.ref(), "v1")
    let other = try Names.ref(key: "other")
    #expect(await failure { _ = try await source.value(of: other, revision: 1) }?.code == .notFound)
  }

  @Test func aRevokedAgentHasNothingAndOthersGoOn() async throws {
    let (source, ref, other) = (source(), try Names.ref(), try Names.ref(agent: "other"))
    store.set(ref, "v1")
    store.set(other, "v2")
    _ = try await source.value(of: ref, revision: 1)
    _ = try await source.value(of: other, revision: 1)
    let id = AgentID(owner: ref.path.owner, name: ref.path.agent)
    source.revoke([id])
    #expect(source.cachedValue(of: ref, revision: 1) == nil)
    #expect(await failure { _ = try await source.value(of: ref, revision: 1) }?.code == .denied)
    #expect(await failure { _ = try await source.value(of: ref, revision: 2) }?.code == .denied)
    #expect(source.cachedValue(of: other, revision: 1)?.reveal() == "v2")
    #expect(source.revokedAgents == [id])
    source.restore([id])
    #expect(try await source.value(of: ref, revision: 1).reveal() == "v1")
  }

  @Test func aFetchUnderWayGivesARevokedAgentNothing() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "v1")
    store.hold()
    let id = AgentID(owner: ref.path.owner, name: ref.path.agent)
    async let error = failure { _ = try await source.value(of: ref, revision: 1) }
    await store.began(1)
    source.revoke([id])
    store.release()
    #expect(await error?.code == .denied)
    #expect(source.count == 0)
  }

  @Test func whatWasForgottenDuringAFetchIsFetchedAgain() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "old")
    store.hold()
    async let value = source.value(of: ref, revision: 1)
    await store.began(1)
    store.set(ref, "new")
    source.forget(agent: AgentID(owner: ref.path.owner, name: ref.path.agent))
    store.release()
    #expect(try await value.reveal() == "new")
    #expect(source.cachedValue(of: ref, revision: 1)?.reveal() == "new")
    #expect(store.reads == 2)
  }

  @Test func memoryIsBoundedAndSwept() async throws {
    let source = source(.init(entries: 16))
    for index in 0..<100 {
      let ref = try Names.ref("S\(index)")
      store.set(ref, "v")
      _ = try await source.value(of: ref, revision: 1)
      #expect(source.count <= 16)
    }
    time.advance(by: .seconds(30))
    source.sweep()
    #expect(source.count == 0)
  }

  @Test func valuesAreNeverPrinted() async throws {
    let (source, ref) = (source(), try Names.ref())
    store.set(ref, "canary-8c1f")
    let value = try await source.value(of: ref, revision: 1)
    var dumped = ""
    dump(source, to: &dumped)
    dump(value, to: &dumped)
    #expect(!"\(value) \(source) \(String(reflecting: value)) \(dumped)".contains("canary"))
  }
}
