import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import Testing

@testable import PalanaCluster

/// What people can do through the control API's account, which has the rights that are installed and no others.
@Suite(.enabled(if: TestServer.isPresent)) struct PersonTests {
  private let mark = RandomToken.hex(bytes: 4)

  private func agent(_ name: String, of owner: String) throws -> Agent {
    Agent(metadata: ObjectMeta(name: try ResourceName(name)), spec: AgentSpec(owner: try UserIdentity(owner), image: "host"))
  }

  private func refusal(_ body: () async throws -> Void) async -> PalanaError? {
    do {
      try await body()
      return nil
    } catch { return error as? PalanaError }
  }

  @Test func aPersonHasANamespaceAndNobodyElseIsLetIn() async throws {
    let (alice, bob) = ("alice-\(mark)@example.com", "bob-\(mark)@example.com")
    try await TestServer.withControl { stores, admin in
      let hers = stores.store(for: try TestServer.person(alice))
      let his = stores.store(for: try TestServer.person(bob))
      let owner = try UserIdentity(alice)
      #expect(try await hers.list(AgentSpec.self, owner: owner).isEmpty, "without a namespace there is nothing, and nothing is made")
      #expect(try await admin.find(TestServer.namespaces, OwnerNamespace.name(owner)) == nil)

      let made = try await hers.create(agent("demo", of: alice))
      let namespace = try await admin.get(TestServer.namespaces, OwnerNamespace.name(owner))
      #expect(namespace.annotations["palana.dev/owner"] == alice)
      let manager = try await admin.get(AgentSpec.kube, "demo", in: namespace.name).metadata["managedFields"]?.array ?? []
      #expect(manager.contains { $0["manager"]?.string == "palana-control" })
      var changed = made
      changed.spec.env = ["A": "b"]
      #expect(try await hers.update(changed).metadata.generation == 2)
      #expect(try await hers.list(AgentSpec.self, owner: owner).count == 1)

      let name = made.metadata.name
      for attempt in [
        { _ = try await his.get(AgentSpec.self, owner: owner, name: name) },
        { _ = try await his.list(AgentSpec.self, owner: owner) },
        { _ = try await his.update(changed) },
        { _ = try await his.markDeleted(AgentSpec.self, owner: owner, name: name) },
        { _ = try await his.list(AgentSpec.self, owner: nil) },
        { _ = try await his.create(self.agent("intruder", of: alice)) },
      ] as [() async throws -> Void] {
        let error = await refusal(attempt)
        #expect(error?.code == .denied && error?.message.contains("forbidden") == true, "\(error as Any)")
        #expect(error?.hint.isEmpty == false)
      }
      let marked = try await hers.markDeleted(AgentSpec.self, owner: owner, name: name)
      #expect(marked.metadata.deletionTimestamp != nil, "the operator lets go of it")
    }
  }

  @Test func anOperatorSeesEverybodyByTheClustersRights() async throws {
    let (alice, olga) = ("alice-\(mark)@example.com", "olga-\(mark)@example.com")
    try await TestServer.withControl { stores, admin in
      _ = try await stores.store(for: try TestServer.person(alice)).create(agent("demo", of: alice))
      let operators = stores.store(for: try TestServer.person(olga, isOperator: true))
      let before = await refusal { _ = try await operators.list(AgentSpec.self, owner: nil) }
      #expect(before?.code == .denied, "the control API's own list of operators gives no rights in the cluster")
      try await TestServer.bind(admin, olga, to: "palana-admin")
      try await TestServer.until("olga has the role") { (try? await operators.list(AgentSpec.self, owner: nil)) != nil }
      let all = try await operators.list(AgentSpec.self, owner: nil)
      #expect(all.contains { $0.spec.owner?.raw == alice })
      // Of members of system:masters the account cannot say that they are.
      let masters = stores.store(for: try TestServer.person("admin", groups: ["system:masters"], isOperator: true))
      #expect(try await masters.list(AgentSpec.self, owner: nil).contains { $0.spec.owner?.raw == alice })
    }
  }

  @Test func theAccountMayDoNothingByItself() async throws {
    let alice = "alice-\(mark)@example.com"
    try await TestServer.withControl { stores, _ in
      let own = await refusal { _ = try await stores.store(for: .platform).create(agent("demo", of: alice)) }
      #expect(own?.code == .denied)
      let secrets = KubeResource("", "v1", "secrets", kind: "Secret")
      for client in [
        stores.client, stores.client.impersonating(Impersonation(user: "admin", groups: ["system:masters"])),
        stores.client.impersonating(Impersonation(user: "system:kube-controller-manager")),
      ] {
        let error = await #expect(throws: KubeError.self) { try await client.list(secrets) }
        #expect(error?.kind == .forbidden)
      }
    }
  }

  @Test func whatStandsElsewhereIsFoundByItsOwner() async throws {
    let (alice, shared) = ("alice-\(mark)@example.com", "shared-\(mark)")
    try await TestServer.withControl { stores, admin in
      let hers = stores.store(for: try TestServer.person(alice))
      let (owner, name) = (try UserIdentity(alice), try ResourceName("demo"))
      _ = try await admin.create(TestServer.namespaces, KubeObject(TestServer.namespaces, name: shared))
      var object = KubeObject(AgentSpec.kube, namespace: shared, name: "demo")
      object["spec"] = ["owner": .string(alice), "image": "host"]
      object.setMetadata("annotations", ["kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a"])
      _ = try await admin.create(AgentSpec.kube, object)
      try await TestServer.until("the directory has it") {
        !stores.directory.namespaces(AgentSpec.self, owner: owner, name: "demo").isEmpty
      }
      let closed = await refusal { _ = try await hers.get(AgentSpec.self, owner: owner, name: name) }
      #expect(closed?.code == .denied && closed?.message.contains(shared) == true, "\(closed as Any)")
      #expect(try await hers.list(AgentSpec.self, owner: owner).isEmpty)

      try await TestServer.bind(admin, alice, to: "palana-user", in: shared)
      try await TestServer.until("alice has the role") { (try? await hers.get(AgentSpec.self, owner: owner, name: name)) != nil }
      var found = try await hers.get(AgentSpec.self, owner: owner, name: name)
      #expect(found.metadata.annotations == ["team": "a"], "what kubectl notes is nobody's business")
      #expect(try await hers.list(AgentSpec.self, owner: owner).count == 1)
      found.spec.env = ["A": "b"]
      _ = try await hers.update(found)
      let stored = try await admin.get(AgentSpec.kube, "demo", in: shared)
      #expect(stored.annotations["kubectl.kubernetes.io/last-applied-configuration"] == "{}")

      // What is about an agent stands beside it.
      let rule = PeeringRule(
        metadata: ObjectMeta(name: try ResourceName("chat")), spec: PeeringRuleSpec(owner: owner, from: "demo", to: "demo", ports: [80]))
      _ = try await hers.create(rule)
      #expect(try await admin.find(PeeringRuleSpec.kube, "chat", in: shared) != nil)

      let second = await refusal { _ = try await hers.create(agent("demo", of: alice)) }
      #expect(second?.code == .conflict && second?.message.contains(shared) == true, "\(second as Any)")
      var twin = KubeObject(AgentSpec.kube, namespace: OwnerNamespace.name(owner), name: "demo")
      twin["spec"] = object["spec"]
      _ = try await admin.create(AgentSpec.kube, twin)
      let ambiguous = await refusal { _ = try await hers.get(AgentSpec.self, owner: owner, name: name) }
      #expect(ambiguous?.code == .conflict && ambiguous?.message.contains(shared) == true, "\(ambiguous as Any)")
    }
  }

  @Test func aNamespaceOfSomebodyElseIsNotUsed() async throws {
    let alice = "alice-\(mark)@example.com"
    try await TestServer.withControl { stores, admin in
      let owner = try UserIdentity(alice)
      var object = KubeObject(TestServer.namespaces, name: OwnerNamespace.name(owner))
      object.setMetadata("annotations", ["palana.dev/owner": "mallory@example.com"])
      _ = try await admin.create(TestServer.namespaces, object)
      let error = await refusal { _ = try await stores.store(for: try TestServer.person(alice)).create(agent("demo", of: alice)) }
      #expect(error?.code == .invalid && error?.message.contains("is not that of \(alice)") == true, "\(error as Any)")
      let system = await refusal {
        _ = try await stores.store(for: try TestServer.person("system:admin")).create(agent("demo", of: "system:admin"))
      }
      #expect(system?.code == .invalid)
    }
  }

  @Test func ordersAreShownToThoseWhomTheyAreAbout() async throws {
    let (alice, bob) = ("alice-\(mark)@example.com", "bob-\(mark)@example.com")
    try await TestServer.withControl { stores, admin in
      let demo = try ResourceName("demo")
      var made: [String] = []
      for (name, target) in [
        ("agent", KillOrderSpec.Target.agent(AgentID(owner: try UserIdentity(alice), name: demo))),
        ("owner", .owner(try UserIdentity(alice))), ("other", .owner(try UserIdentity("carol-\(mark)@example.com"))),
      ] {
        let order = KillOrder(
          metadata: ObjectMeta(name: try ResourceName("\(name)-\(mark)")),
          spec: KillOrderSpec(target: target, reason: "test", by: try UserIdentity("olga"), at: Timestamp(seconds: 1)))
        var object = KubeObject(KillOrderSpec.kube, name: order.metadata.name.text)
        try StoredObject.write(order, into: &object)
        _ = try await admin.create(KillOrderSpec.kube, object)
        made.append(order.metadata.name.text)
      }
      func seen(_ person: String) async throws -> Set<String> {
        let store = stores.store(for: try TestServer.person(person))
        return Set(try await store.list(KillOrderSpec.self, owner: nil).map(\.metadata.name.text)).intersection(made)
      }
      #expect(try await seen(alice) == ["agent-\(mark)", "owner-\(mark)"])
      #expect(try await seen(bob).isEmpty)
      for name in made { try await admin.delete(KillOrderSpec.kube, name) }
    }
  }

  @Test func peopleKillTheirOwnAgentsAndNoOthers() async throws {
    let (alice, bob) = ("alice-\(mark)@example.com", "bob-\(mark)@example.com")
    try await TestServer.withControl { stores, admin in
      let demo = try ResourceName("demo")
      func order(_ name: String, _ target: KillOrderSpec.Target, by person: String) throws -> KillOrder {
        KillOrder(
          metadata: ObjectMeta(name: try ResourceName("\(name)-\(mark)")),
          spec: KillOrderSpec(target: target, reason: "test", by: try UserIdentity(person), at: Timestamp(seconds: 1)))
      }
      let hers = stores.store(for: try TestServer.person(alice))
      let own = AgentID(owner: try UserIdentity(alice), name: demo)
      let made = try await hers.create(order("mine", .agent(own), by: alice))
      let his = stores.store(for: try TestServer.person(bob))
      for (name, target) in [
        ("a", KillOrderSpec.Target.agent(own)), ("b", .owner(try UserIdentity(alice))), ("c", .template("python")), ("d", .all),
      ] {
        let error = await refusal { _ = try await his.create(order(name, target, by: bob)) }
        #expect(error?.code == .denied, "\(name)")
      }
      let name = made.metadata.name
      #expect(await refusal { _ = try await his.get(KillOrderSpec.self, owner: nil, name: name) }?.code == .notFound)
      #expect(await refusal { try await his.remove(KillOrderSpec.self, owner: nil, name: name, uid: "") }?.code == .notFound)
      try await hers.remove(KillOrderSpec.self, owner: nil, name: name, uid: try #require(made.metadata.uid))
      #expect(try await admin.find(KillOrderSpec.kube, name.text) == nil)
    }
  }

  @Test func bindingsOfSecretsAreWrittenForWhoMight() async throws {
    let (alice, bob) = ("alice-\(mark)@example.com", "bob-\(mark)@example.com")
    try await TestServer.withControl { stores, _ in
      let hers = stores.store(for: try TestServer.person(alice))
      _ = try await hers.create(agent("demo", of: alice))
      let binding = SecretBinding(
        metadata: ObjectMeta(name: try ResourceName("demo-pat")),
        spec: SecretBindingSpec(
          owner: try UserIdentity(alice), agent: "demo", secret: "PAT", access: .proxyOnly, keys: [SecretKey(key: "token")], hosts: [],
          places: [], revision: 1))
      var made = try await hers.create(binding)
      made.spec.revision = 2
      made = try await hers.update(made)
      let bobs = stores.store(for: try TestServer.person(bob))
      let (name, owner, uid) = (made.metadata.name, made.spec.owner, try #require(made.metadata.uid))
      #expect(await refusal { _ = try await bobs.create(binding) }?.code == .denied)
      #expect(await refusal { try await bobs.remove(SecretBindingSpec.self, owner: owner, name: name, uid: uid) }?.code == .denied)
      try await hers.remove(SecretBindingSpec.self, owner: owner, name: name, uid: uid)
    }
  }

  @Test func theClusterSaysWhoATokenBelongsTo() async throws {
    try await TestServer.withControl { stores, _ in
      let reviewer = TokenReviewer(stores.client)
      let person = TestServer.people[0]
      let subject = try await reviewer.subject(of: try await TestServer.token(of: person))
      #expect(subject?.user == person && subject?.groups.contains("system:authenticated") == true)
      #expect(subject?.uid == "uid-of-\(person)")
      for text in ["wrong", "", "two words", String(repeating: "x", count: 40_000)] {
        #expect(try await reviewer.subject(of: Redacted(text)) == nil, "\(text.prefix(20))")
      }
      // Many at once, more than are asked about at once.
      let token = try await TestServer.token(of: TestServer.people[1])
      try await withThrowingTaskGroup(of: String?.self) { group in
        for _ in 0..<60 { group.addTask { try await reviewer.subject(of: token)?.user } }
        for try await user in group { #expect(user == TestServer.people[1]) }
      }
      let strict = TokenReviewer(stores.client, audiences: ["somebody-else"])
      #expect(try await strict.subject(of: token) == nil)
    }
  }

  @Test func onlyWhoMayImpersonateActsForOthers() async throws {
    try await TestServer.withControl { stores, admin in
      let right = AccessQuestion(stores.client)
      let olga = Impersonation(user: "olga-\(mark)@example.com")
      let error = await #expect(throws: PalanaError.self) { try await right.require(olga, toActAs: "alice") }
      #expect(error?.code == .denied)
      try await right.require(Impersonation(user: "admin", groups: ["system:masters"]), toActAs: "alice")
      try await TestServer.bind(admin, olga.user, to: "palana-admin")
      try await TestServer.until("olga has the role") { (try? await right.require(olga, toActAs: "alice")) != nil }
    }
  }
}
