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

  private func code(_ body: () async throws -> Void) async -> PalanaError.Code? {
    do {
      try await body()
      return nil
    } catch { return (error as? PalanaError)?.code }
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

  @Test func ownersDoNotSeeEachOther() async throws {
    try await withStore { store, _ in
      let alice = try identity("alice@example.com")
      _ = try await store.create(agent())
      _ = try await store.create(agent("demo", owner: "bob@example.com"))
      _ = try await store.create(agent("other", owner: "bob@example.com"))
      let all = try await store.list(AgentSpec.self, owner: nil)
      #expect(
        all.map { "\($0.spec.owner?.raw ?? "") \($0.metadata.name)" } == [
          "alice@example.com demo", "bob@example.com demo", "bob@example.com other",
        ])
      let mine = try await store.list(AgentSpec.self, owner: alice)
      #expect(mine.count == 1)
      #expect(
        await code { _ = try await store.get(AgentSpec.self, owner: alice, name: try name("other")) } == .notFound)
      // An identity that only looks alike is somebody else.
      #expect(
        await code {
          _ = try await store.get(AgentSpec.self, owner: try identity("Alice@example.com"), name: try name("demo"))
        } == .notFound)
      #expect(await code { _ = try await store.get(AgentSpec.self, owner: nil, name: try name("demo")) } == .invalid)
    }
  }

  @Test func kindsWithoutOwner() async throws {
    try await withStore { store, _ in
      let policy = EgressPolicy(
        metadata: ObjectMeta(name: try name("base")), spec: EgressPolicySpec(rules: [EgressRule(host: "a.example")]))
      let made = try await store.create(policy)
      #expect(try await store.get(EgressPolicySpec.self, owner: nil, name: try name("base")) == made)
      #expect(try await store.list(EgressPolicySpec.self, owner: nil) == [made])
      // The same name in another kind is another object.
      _ = try await store.create(AgentTemplate(metadata: ObjectMeta(name: try name("base")), spec: AgentTemplateSpec()))
      #expect(await code { _ = try await store.create(policy) } == .conflict)
    }
  }

  @Test func everyKindSurvivesTheStore() async throws {
    try await withStore { store, _ in
      let by = try identity("root")
      let order = KillOrder(
        metadata: ObjectMeta(name: try name("k")),
        spec: KillOrderSpec(target: .owner(by), reason: "r", by: by, at: Timestamp(microseconds: 5)))
      #expect(try await store.create(order).spec == order.spec)
      let binding = SecretBinding(
        metadata: ObjectMeta(name: try name("b")),
        spec: SecretBindingSpec(
          owner: by, agent: "demo", secret: "S", access: .proxyOnly,
          keys: [SecretKey(key: "token", placeholder: "TOKEN_SS", variable: "S")],
          hosts: ["a"], places: ["basic"], revision: 3))
      #expect(try await store.create(binding).spec == binding.spec)
      let rule = PeeringRule(
        metadata: ObjectMeta(name: try name("p")), spec: PeeringRuleSpec(owner: by, from: "a", to: "b", ports: [80]))
      #expect(try await store.create(rule).spec == rule.spec)
      var wanted = try agent()
      wanted.spec.resources = AgentResources(cpu: try CPUQuantity("0.50"), memory: try ByteQuantity("2048Mi"))
      #expect(try await store.create(wanted).spec.resources?.memory?.description == "2048Mi")
    }
  }

  @Test func updateCountsOnlyWhatChanged() async throws {
    try await withStore { store, _ in
      let made = try await store.create(agent())
      var same = made
      same.metadata.resourceVersion = nil
      #expect(try await store.update(same) == made, "an identical write changes nothing")

      var labelled = made
      labelled.metadata.labels = ["a": "b"]
      let second = try await store.update(labelled)
      #expect(second.metadata.generation == 1)
      #expect(second.metadata.resourceVersion != made.metadata.resourceVersion)

      var changed = second
      changed.spec.image = "python:3.12"
      changed.status = AgentStatus(phase: .killed)
      let third = try await store.update(changed)
      #expect(third.metadata.generation == 2)
      #expect(third.status == nil, "the status has its own way")
      #expect(third.metadata.uid == made.metadata.uid)
      #expect(third.metadata.creationTimestamp == made.metadata.creationTimestamp)

      #expect(await code { _ = try await store.update(changed) } == .conflict, "an old version")
      var another = changed
      another.metadata.resourceVersion = nil
      another.metadata.uid = "somebody-else"
      #expect(await code { _ = try await store.update(another) } == .conflict)
      #expect(await code { _ = try await store.update(try agent("missing")) } == .notFound)
    }
  }

  @Test func statusIsTiedToTheUID() async throws {
    try await withStore { store, _ in
      let made = try await store.create(agent())
      let (owner, name, uid) = (made.spec.owner, made.metadata.name, try #require(made.metadata.uid))
      let status = AgentStatus(phase: .running, observedGeneration: 1)
      let running = try await store.updateStatus(AgentSpec.self, owner: owner, name: name, uid: uid, status: status)
      #expect(running.status == status)
      #expect(running.metadata.generation == 1)
      #expect(running.metadata.resourceVersion != made.metadata.resourceVersion)
      let again = try await store.updateStatus(AgentSpec.self, owner: owner, name: name, uid: uid, status: status)
      #expect(again.metadata.resourceVersion == running.metadata.resourceVersion)
      #expect(
        await code {
          _ = try await store.updateStatus(AgentSpec.self, owner: owner, name: name, uid: "x", status: status)
        } == .conflict)
      // A spec update leaves the status alone.
      var changed = running
      changed.spec.command = ["x"]
      #expect(try await store.update(changed).status == status)
    }
  }

  @Test func deletionTakesTwoSteps() async throws {
    try await withStore { store, _ in
      let made = try await store.create(agent())
      let (owner, name, uid) = (made.spec.owner, made.metadata.name, try #require(made.metadata.uid))
      let marked = try await store.markDeleted(AgentSpec.self, owner: owner, name: name)
      #expect(marked.metadata.deletionTimestamp != nil)
      #expect(try await store.markDeleted(AgentSpec.self, owner: owner, name: name) == marked)
      #expect(await code { _ = try await store.create(try agent()) } == .conflict)
      #expect(await code { try await store.remove(AgentSpec.self, owner: owner, name: name, uid: "x") } == .conflict)
      try await store.remove(AgentSpec.self, owner: owner, name: name, uid: uid)
      #expect(await code { try await store.remove(AgentSpec.self, owner: owner, name: name, uid: uid) } == .notFound)
      let anew = try await store.create(agent())
      #expect(anew.metadata.uid != uid)
    }
  }

  @Test func manyWritersConflictAndNoneIsLost() async throws {
    try await withStore { store, _ in
      let made = try await store.create(agent())
      let owner = made.spec.owner
      let conflicts = try await withThrowingTaskGroup(of: Int.self) { group in
        for task in 0..<8 {
          group.addTask {
            var conflicts = 0
            for step in 0..<10 {
              while true {
                var current = try await store.get(AgentSpec.self, owner: owner, name: made.metadata.name)
                current.spec.env = (current.spec.env ?? [:]).merging(["T\(task)_\(step)": "x"]) { $1 }
                do {
                  _ = try await store.update(current)
                  break
                } catch  where (error as? PalanaError)?.code == .conflict { conflicts += 1 }
              }
            }
            return conflicts
          }
        }
        return try await group.reduce(0, +)
      }
      let final = try await store.get(AgentSpec.self, owner: owner, name: made.metadata.name)
      #expect(final.spec.env?.count == 80)
      #expect(final.metadata.generation == 81)
      #expect(conflicts > 0)
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
