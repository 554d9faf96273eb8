import PalanaAPI
import PalanaCore
import PalanaStore
import Testing

@Suite struct WatchTests {
  private func take(_ count: Int, from stream: AsyncStream<StoreChange>) async -> [StoreChange] {
    var changes: [StoreChange] = []
    for await change in stream {
      changes.append(change)
      if changes.count == count { break }
    }
    return changes
  }

  @Test func everyChangeComesOnceAndInOrder() async throws {
    try await withFolder { folder in
      let store = try await SQLiteStore.open(path: folder + "/s.sqlite", logger: quiet)
      _ = try await store.create(agent("before"))
      let stream = store.watch()
      let made = try await store.create(agent())
      let (owner, name, uid) = (made.spec.owner, made.metadata.name, try #require(made.metadata.uid))
      var changed = made
      changed.spec.command = ["x"]
      changed = try await store.update(changed)
      _ = try await store.update(changed)
      _ = try await store.updateStatus(
        AgentSpec.self, owner: owner, name: name, uid: uid, status: AgentStatus(phase: .running))
      _ = try? await store.create(agent())
      _ = try await store.markDeleted(AgentSpec.self, owner: owner, name: name)
      try await store.remove(AgentSpec.self, owner: owner, name: name, uid: uid)
      let changes = await take(5, from: stream)
      #expect(changes.map(\.event) == [.added, .modified, .statusModified, .modified, .deleted])
      #expect(changes.allSatisfy { $0.kind == "Agent" && $0.owner == owner && $0.name == name })
      let versions = changes.compactMap { Int($0.resourceVersion) }
      #expect(versions == versions.sorted() && Set(versions).count == 5)
    }
  }

  @Test func ordersOfCommitsIsTheOrderOfTheWatch() async throws {
    try await withFolder { folder in
      let store = try await SQLiteStore.open(path: folder + "/s.sqlite", logger: quiet)
      let stream = store.watch()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<100 { group.addTask { _ = try await store.create(agent("a\(number)")) } }
        try await group.waitForAll()
      }
      let versions = await take(100, from: stream).compactMap { Int($0.resourceVersion) }
      #expect(versions == Array(1...100))
    }
  }

  @Test func aSlowWatcherIsToldToListAgain() async throws {
    try await withFolder { folder in
      let store = try await SQLiteStore.open(path: folder + "/s.sqlite", watchBuffer: 3, logger: quiet)
      let slow = store.watch()
      for number in 0..<5 { _ = try await store.create(agent("a\(number)")) }
      let changes = await take(2, from: slow)
      // Three fitted, the fourth made one `.resync` of all, the fifth follows it.
      #expect(changes.map(\.event) == [.resync, .added])
      #expect(changes[0].resourceVersion == "4")
      #expect(changes[0].kind.isEmpty && changes[0].name == nil)
      #expect(changes[1].name?.text == "a4")
    }
  }

  @Test func aWatchEndsWithItsTaskOrTheStore() async throws {
    try await withFolder { folder in
      let store = try await SQLiteStore.open(path: folder + "/s.sqlite", logger: quiet)
      let (cancelled, closed) = (store.watch(), store.watch())
      let task = Task { await take(1, from: cancelled).count }
      task.cancel()
      #expect(await task.value == 0)
      let other = Task { await take(1, from: closed).count }
      store.close()
      #expect(await other.value == 0)
    }
  }

  @Test func aStreamThatNobodyHoldsCostsNothing() async throws {
    try await withFolder { folder in
      let store = try await SQLiteStore.open(path: folder + "/s.sqlite", logger: quiet)
      for _ in 0..<100 { _ = store.watch() }
      let kept = store.watch()
      _ = try await store.create(agent())
      #expect(await take(1, from: kept).count == 1)
    }
  }
}
