import Foundation
import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaStore
import Testing

@testable import PalanaCluster

/// What every store promises, held by each of them: one file, and the custom resources of a real API server.
@Suite struct ResourceStoreTests {
  enum Kind: String, Sendable, CustomTestStringConvertible {
    case sqlite, kubernetes
    var testDescription: String { rawValue }
    static let present: [Kind] = TestServer.isPresent ? [.sqlite, .kubernetes] : [.sqlite]
  }

  /// A store, and names that no other test has.
  struct World: Sendable {
    let store: any ResourceStore
    let mark = RandomToken.hex(bytes: 4)
    var alice: UserIdentity { get throws { try UserIdentity("alice-\(mark)@example.com") } }
    var bob: UserIdentity { get throws { try UserIdentity("bob-\(mark)@example.com") } }

    func own(_ name: String) throws -> ResourceName { try ResourceName("\(name)-\(mark)") }

    func agent(_ name: String = "demo", of owner: UserIdentity? = nil) throws -> Agent {
      Agent(metadata: ObjectMeta(name: try ResourceName(name)), spec: AgentSpec(owner: try owner ?? alice, image: "host"))
    }
  }

  private func with(_ kind: Kind, _ body: @escaping @Sendable (World) async throws -> Void) async throws {
    switch kind {
    case .sqlite:
      let folder = NSTemporaryDirectory() + "palana-store-" + RandomToken.hex(bytes: 8)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let store = try await SQLiteStore.open(path: folder + "/state.sqlite", logger: quiet)
      try await body(World(store: store))
      store.close()
    case .kubernetes:
      try await TestServer.withStores { stores in try await body(World(store: stores.store(for: .platform))) }
    }
  }

  private func code(_ body: () async throws -> Void) async -> PalanaError.Code? {
    do {
      try await body()
      return nil
    } catch { return (error as? PalanaError)?.code }
  }

  @Test(arguments: Kind.present) func createFillsWhatTheServerSets(kind: Kind) async throws {
    try await with(kind) { world in
      var wanted = try world.agent()
      wanted.metadata.labels = ["a": "b"]
      wanted.metadata.annotations = ["c": "d"]
      wanted.status = AgentStatus(phase: .running)
      let made = try await world.store.create(wanted)
      #expect(made.metadata.uid?.count == 36)
      #expect(made.metadata.resourceVersion?.isEmpty == false)
      #expect(made.metadata.generation == 1)
      #expect(made.metadata.creationTimestamp != nil)
      #expect(made.metadata.labels == ["a": "b"] && made.metadata.annotations == ["c": "d"])
      #expect(made.spec == wanted.spec)
      #expect(made.status == nil, "a manifest cannot bring a status")
      let read = try await world.store.get(AgentSpec.self, owner: world.alice, name: made.metadata.name)
      #expect(read == made)
    }
  }

  @Test(arguments: Kind.present) func ownersDoNotSeeEachOther(kind: Kind) async throws {
    try await with(kind) { world in
      let (store, alice, bob) = (world.store, try world.alice, try world.bob)
      _ = try await store.create(world.agent())
      _ = try await store.create(world.agent("demo", of: bob))
      _ = try await store.create(world.agent("other", of: bob))
      let all = try await store.list(AgentSpec.self, owner: nil).filter { $0.spec.owner == alice || $0.spec.owner == bob }
      #expect(
        all.map { "\($0.spec.owner?.raw ?? "") \($0.metadata.name)" } == ["\(alice) demo", "\(bob) demo", "\(bob) other"])
      let mine = try await store.list(AgentSpec.self, owner: alice)
      #expect(mine.count == 1)
      let other = try ResourceName("other")
      let demo = try ResourceName("demo")
      #expect(await code { _ = try await store.get(AgentSpec.self, owner: alice, name: other) } == .notFound)
      // An identity that only looks alike is somebody else.
      let lookalike = try UserIdentity(alice.raw.uppercased())
      #expect(await code { _ = try await store.get(AgentSpec.self, owner: lookalike, name: demo) } == .notFound)
      #expect(await code { _ = try await store.get(AgentSpec.self, owner: nil, name: demo) } == .invalid)
      #expect(try await store.list(AgentSpec.self, owner: lookalike).isEmpty)
    }
  }

  @Test(arguments: Kind.present) func kindsWithoutOwner(kind: Kind) async throws {
    try await with(kind) { world in
      let (store, name) = (world.store, try world.own("base"))
      let policy = EgressPolicy(
        metadata: ObjectMeta(name: name),
        spec: EgressPolicySpec(selector: AgentSelector(agents: ["none"]), rules: [EgressRule(host: "a.example")]))
      let made = try await store.create(policy)
      #expect(try await store.get(EgressPolicySpec.self, owner: nil, name: name) == made)
      #expect(try await store.list(EgressPolicySpec.self, owner: nil).filter { $0.metadata.name == name } == [made])
      // The same name in another kind is another object.
      _ = try await store.create(AgentTemplate(metadata: ObjectMeta(name: name), spec: AgentTemplateSpec()))
      #expect(await code { _ = try await store.create(policy) } == .conflict)
      try await store.remove(EgressPolicySpec.self, owner: nil, name: name, uid: try #require(made.metadata.uid))
      #expect(await code { _ = try await store.get(EgressPolicySpec.self, owner: nil, name: name) } == .notFound)
    }
  }

  @Test(arguments: Kind.present) func everyKindSurvivesTheStore(kind: Kind) async throws {
    try await with(kind) { world in
      let (store, by) = (world.store, try world.alice)
      let order = KillOrder(
        metadata: ObjectMeta(name: try world.own("k")),
        spec: KillOrderSpec(target: .owner(by), reason: "r", by: by, at: Timestamp(microseconds: 5)))
      let kept = try await store.create(order)
      #expect(kept.spec == order.spec)
      try await store.remove(KillOrderSpec.self, owner: nil, name: kept.metadata.name, uid: try #require(kept.metadata.uid))
      let binding = SecretBinding(
        metadata: ObjectMeta(name: try ResourceName("b")),
        spec: SecretBindingSpec(
          owner: by, agent: "demo", secret: "S", access: .proxyOnly,
          keys: [SecretKey(key: "token", placeholder: "TOKEN_SS", variable: "S")],
          hosts: ["a"], places: ["basic"], revision: 3))
      #expect(try await store.create(binding).spec == binding.spec)
      let rule = PeeringRule(
        metadata: ObjectMeta(name: try ResourceName("p")), spec: PeeringRuleSpec(owner: by, from: "a", to: "b", ports: [80]))
      #expect(try await store.create(rule).spec == rule.spec)
      var wanted = try world.agent()
      wanted.spec.resources = AgentResources(cpu: try CPUQuantity("0.50"), memory: try ByteQuantity("2048Mi"))
      #expect(try await store.create(wanted).spec.resources?.memory?.description == "2048Mi")
    }
  }

  @Test(arguments: Kind.present) func updateCountsOnlyWhatChanged(kind: Kind) async throws {
    try await with(kind) { world in
      let store = world.store
      let made = try await store.create(world.agent())
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
      changed.metadata.labels = nil
      changed.status = AgentStatus(phase: .killed)
      let third = try await store.update(changed)
      #expect(third.metadata.generation == 2)
      #expect(third.metadata.labels == nil)
      #expect(third.status == nil, "the status has its own way")
      #expect(third.metadata.uid == made.metadata.uid)
      #expect(third.metadata.creationTimestamp == made.metadata.creationTimestamp)

      #expect(await code { _ = try await store.update(changed) } == .conflict, "an old version")
      var another = changed
      another.metadata.resourceVersion = nil
      another.metadata.uid = "somebody-else"
      let (stranger, missing) = (another, try world.agent("missing"))
      #expect(await code { _ = try await store.update(stranger) } == .conflict)
      #expect(await code { _ = try await store.update(missing) } == .notFound)
    }
  }

  @Test(arguments: Kind.present) func statusIsTiedToTheUID(kind: Kind) async throws {
    try await with(kind) { world in
      let store = world.store
      let made = try await store.create(world.agent())
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

  @Test(arguments: Kind.present) func deletionTakesTwoSteps(kind: Kind) async throws {
    try await with(kind) { world in
      let store = world.store
      let made = try await store.create(world.agent())
      let (owner, name, uid) = (made.spec.owner, made.metadata.name, try #require(made.metadata.uid))
      let marked = try await store.markDeleted(AgentSpec.self, owner: owner, name: name)
      #expect(marked.metadata.deletionTimestamp != nil)
      #expect(try await store.markDeleted(AgentSpec.self, owner: owner, name: name) == marked)
      let next = try world.agent()
      #expect(await code { _ = try await store.create(next) } == .conflict)
      #expect(await code { try await store.remove(AgentSpec.self, owner: owner, name: name, uid: "x") } == .conflict)
      try await store.remove(AgentSpec.self, owner: owner, name: name, uid: uid)
      #expect(await code { try await store.remove(AgentSpec.self, owner: owner, name: name, uid: uid) } == .notFound)
      let anew = try await store.create(next)
      #expect(anew.metadata.uid != uid)
    }
  }

  @Test(arguments: Kind.present) func manyWritersConflictAndNoneIsLost(kind: Kind) async throws {
    try await with(kind) { world in
      let store = world.store
      let made = try await store.create(world.agent())
      let owner = made.spec.owner
      let conflicts = try await withThrowingTaskGroup(of: Int.self) { group in
        for task in 0..<8 {
          group.addTask {
            var conflicts = 0
            for step in 0..<5 {
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
      #expect(final.spec.env?.count == 40)
      #expect(final.metadata.generation == 41)
      #expect(conflicts > 0)
    }
  }

  @Test(arguments: Kind.present) func whoNamesNoVersionWins(kind: Kind) async throws {
    try await with(kind) { world in
      let store = world.store
      let made = try await store.create(world.agent())
      let last = try await withThrowingTaskGroup(of: Agent.self) { group in
        for number in 0..<4 {
          group.addTask {
            var agent = made
            agent.metadata.resourceVersion = nil
            agent.spec.env = ["N": "\(number)"]
            return try await store.update(agent)
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(last.count == 4, "none was told of a conflict")
      let final = try await store.get(AgentSpec.self, owner: made.spec.owner, name: made.metadata.name)
      #expect(final.metadata.generation == 5)
    }
  }

  @Test(arguments: Kind.present) func everyChangeComesOnceAndInOrder(kind: Kind) async throws {
    try await with(kind) { world in
      let store = world.store
      let before = try await store.create(world.agent("before"))
      let stream = store.watch()
      let made = try await store.create(world.agent())
      let (owner, name, uid) = (made.spec.owner, made.metadata.name, try #require(made.metadata.uid))
      var changed = made
      changed.spec.command = ["x"]
      changed = try await store.update(changed)
      _ = try await store.update(changed)
      _ = try await store.updateStatus(AgentSpec.self, owner: owner, name: name, uid: uid, status: AgentStatus(phase: .running))
      _ = try? await store.create(world.agent())
      _ = try await store.markDeleted(AgentSpec.self, owner: owner, name: name)
      try await store.remove(AgentSpec.self, owner: owner, name: name, uid: uid)
      var changes: [StoreChange] = []
      for await change in stream where change.name == name && change.owner == owner {
        changes.append(change)
        if changes.count == 5 { break }
      }
      #expect(changes.map(\.event) == [.added, .modified, .statusModified, .modified, .deleted])
      #expect(changes.allSatisfy { $0.kind == "Agent" })
      let versions = changes.compactMap { Int($0.resourceVersion) }
      // Of a deletion a store may tell the last version that there was.
      #expect(versions == versions.sorted() && Set(versions.prefix(4)).count == 4)
      withExtendedLifetime(before) {}
    }
  }
}
