import Foundation
import GRDB
import PalanaAPI
import PalanaCore
import PalanaStore
import Testing

@Suite struct SQLiteStoreTests {
  private func withStore<T>(_ body: (SQLiteStore, String) async throws -> T) async throws -> T {
    try await withFolder { folder in
      let store = try await SQLiteStore.open(path: folder + "/db/state.sqlite", logger: quiet)
      return try await body(store, folder)
    }
  }

  @Test func createFillsWhatTheServerSets() async throws {
    try await withFolder { folder in
      let clock = WallClock { Timestamp(seconds: 1000) }
      let store = try await SQLiteStore.open(path: folder + "/s.sqlite", clock: clock, logger: quiet)
      var wanted = try agent()
      wanted.metadata.labels = ["a": "b"]
      wanted.status = AgentStatus(phase: .running)
      let made = try await store.create(wanted)
      #expect(made.metadata.uid?.count == 36)
      #expect(made.metadata.resourceVersion == "1")
      #expect(made.metadata.generation == 1)
      #expect(made.metadata.creationTimestamp == Timestamp(seconds: 1000))
      #expect(made.metadata.labels == ["a": "b"])
      #expect(made.spec == wanted.spec)
      #expect(made.status == nil, "a manifest cannot bring a status")
      let read = try await store.get(AgentSpec.self, owner: try identity("alice@example.com"), name: try name("demo"))
      #expect(read == made)
    }
  }

  @Test func aRestartFindsEverything() async throws {
    try await withFolder { folder in
      let path = folder + "/s.sqlite"
      let made: Agent
      do {
        let store = try await SQLiteStore.open(path: path, logger: quiet)
        made = try await store.create(agent())
        store.close()
      }
      let store = try await SQLiteStore.open(path: path, logger: quiet)
      #expect(try await store.get(AgentSpec.self, owner: made.spec.owner, name: made.metadata.name) == made)
      let second = try await store.create(agent("second"))
      #expect(second.metadata.resourceVersion == "2", "the sequence goes on")
    }
  }

  @Test func filesAreForTheDaemonOnly() async throws {
    try await withStore { store, folder in
      _ = try await store.create(agent())
      func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      }
      #expect(try mode(folder + "/db") == 0o700)
      for file in try FileManager.default.contentsOfDirectory(atPath: folder + "/db") {
        #expect(try mode(folder + "/db/" + file) == 0o600, "\(file)")
      }
    }
  }

  @Test func aDamagedFileIsRefused() async throws {
    try await withFolder { folder in
      let path = folder + "/s.sqlite"
      do {
        let store = try await SQLiteStore.open(path: path, logger: quiet)
        for number in 0..<50 { _ = try await store.create(agent("a\(number)")) }
        store.close()
      }
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      for index in stride(from: 4096 + 200, to: bytes.count, by: 512) { bytes[index] ^= 0xff }
      try bytes.write(to: URL(fileURLWithPath: path))
      let error = await #expect(throws: PalanaError.self) { try await SQLiteStore.open(path: path, logger: quiet) }
      #expect(error?.code == .failed)
      #expect(error?.message.contains("damaged") == true, "\(error?.message ?? "")")

      try Data("this is not a database, whatever its name says".utf8).write(to: URL(fileURLWithPath: path))
      let other = await #expect(throws: PalanaError.self) { try await SQLiteStore.open(path: path, logger: quiet) }
      #expect(other?.code == .failed)
    }
  }

  @Test func aNewerSchemaIsRefusedPlainly() async throws {
    try await withFolder { folder in
      let path = folder + "/s.sqlite"
      try await SQLiteStore.open(path: path, logger: quiet).close()
      let queue = try DatabaseQueue(path: path)
      try await queue.write { db in try db.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('99-future')")
      }
      try queue.close()
      let error = await #expect(throws: PalanaError.self) { try await SQLiteStore.open(path: path, logger: quiet) }
      #expect(error?.message.contains("newer version") == true)
    }
  }
}

@Suite struct IndexTests {
  private func id(_ number: Int) throws -> AgentID { AgentID(owner: try identity("a"), name: try name("a\(number)")) }

  @Test func numbersAreStableAndReturnLate() async throws {
    try await withFolder { folder in
      let path = folder + "/s.sqlite"
      var store = try await SQLiteStore.open(path: path, logger: quiet)
      #expect(try await store.allocateIndex(for: id(1)) == 2)
      #expect(try await store.allocateIndex(for: id(2)) == 3)
      #expect(try await store.allocateIndex(for: id(1)) == 2)
      try await store.releaseIndex(of: id(1))
      try await store.releaseIndex(of: id(1))
      #expect(try await store.allocateIndex(for: id(3)) == 4, "a number never used before one that was")
      store.close()
      store = try await SQLiteStore.open(path: path, logger: quiet)
      #expect(try await store.allocateIndex(for: id(2)) == 3)
      #expect(try await store.allocateIndex(for: id(1)) == 5)
      // Nothing new below the limit: the one that was free longest.
      try await store.releaseIndex(of: id(3))
      try await store.releaseIndex(of: id(2))
      #expect(try await store.allocateIndex(for: id(7), limit: 5) == 2)
      #expect(try await store.allocateIndex(for: id(8), limit: 5) == 4)
      #expect(try await store.allocateIndex(for: id(9), limit: 5) == 3)
      let error = await #expect(throws: PalanaError.self) { try await store.allocateIndex(for: id(10), limit: 5) }
      #expect(error?.code == .conflict)
    }
  }

  @Test func removingAnAgentReleasesItsNumber() async throws {
    try await withFolder { folder in
      let store = try await SQLiteStore.open(path: folder + "/s.sqlite", logger: quiet)
      let made = try await store.create(agent())
      let agentID = AgentID(owner: try #require(made.spec.owner), name: made.metadata.name)
      #expect(try await store.allocateIndex(for: agentID, limit: 2) == 2)
      try await store.remove(
        AgentSpec.self, owner: made.spec.owner, name: made.metadata.name, uid: try #require(made.metadata.uid))
      #expect(try await store.allocateIndex(for: id(1), limit: 2) == 2)
    }
  }

  @Test func concurrentAllocationsAreUnique() async throws {
    try await withFolder { folder in
      let store = try await SQLiteStore.open(path: folder + "/s.sqlite", logger: quiet)
      let numbers = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<100 { group.addTask { try await store.allocateIndex(for: id(number)) } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(Set(numbers) == Set(2...101))
    }
  }
}
