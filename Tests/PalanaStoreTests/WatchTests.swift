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
