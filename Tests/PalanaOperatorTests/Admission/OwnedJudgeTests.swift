import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import Testing

@testable import PalanaOperator

/// Who may say whose an agent is, and what else is decided about it.
@Suite struct OwnedJudgeTests {
  private static let alice = "alice@example.com"
  private static let bob = "bob@example.com"
  private static let engine = "system:serviceaccount:palana-system:palana-operator"
  private static let control = "system:serviceaccount:palana-system:palana-control"
  private static let reaper = "system:serviceaccount:palana-system:palana-reaper"

  static func judge(_ registry: AgentRegistry = known(), quota: Int? = nil, images: [String] = []) throws -> OwnedJudge {
    OwnedJudge(
      parties: Parties(administrators: [try UserIdentity("root@example.com")], administratorGroups: ["admins"]), registry: registry,
      agentsPerOwner: quota, images: try AllowedImages(prefixes: images))
  }

  static func known(_ agents: [(String, String, String)] = []) -> AgentRegistry {
    let registry = AgentRegistry()
    for (namespace, name, owner) in agents { registry.told(ObjectKey(namespace: namespace, name: name), try? UserIdentity(owner)) }
    registry.synced()
    return registry
  }

  static func agent(_ owner: JSONValue? = .string(alice), _ spec: JSONObject = [:], annotations: JSONValue? = nil) -> JSONValue {
    var all: JSONObject = ["image": "example.com/agent:1", "command": ["serve"]]
    all["owner"] = owner
    for (name, value) in spec { all[name] = value }
    var metadata: JSONObject = ["name": "demo", "namespace": "people"]
    metadata["annotations"] = annotations
    return ["apiVersion": "palana.dev/v1alpha1", "kind": "Agent", "metadata": .object(metadata), "spec": .object(all)]
  }

  static func refusal(
    _ judge: OwnedJudge, _ user: String, _ object: JSONValue, old: JSONValue? = nil, groups: [String] = []
  ) throws -> String? {
    let request = try Asked.request(
      user, old == nil ? .create : .update, "agents", object: object, old: old, namespace: "people", groups: groups, group: "palana.dev")
    do throws(AdmissionRefusal) { try judge.check(request, as: Agent.self) } catch { return error.message }
    return nil
  }

  @Test(arguments: [
    (alice, alice, nil), (bob, alice, "is not you"), ("root@example.com", alice, nil), (engine, alice, nil), (control, alice, nil),
    (reaper, alice, "the reaper may change nothing of an agent but its lifecycle"),
    // A name that looks like another one, and one that Swift holds for the same text.
    ("Alice@example.com", alice, "is not you"), ("andre\u{301}@example.com", "andr\u{e9}@example.com", "is not you"),
    ("system:serviceaccount:other:palana-operator", alice, "is not you"),
    ("system:serviceaccount:palana-system:palana-gateway", alice, "is not you"),
    // Rights of the cluster's own programs, or of everybody.
    ("system:anonymous", "system:anonymous", "owns nothing"), ("root@example.com", "system:masters", "owns nothing"),
  ])
  func theOwnerIsWhoAsks(_ user: String, _ owner: String, _ refused: String?) throws {
    let answer = try Self.refusal(Self.judge(), user, Self.agent(.string(owner)))
    #expect(refused.map { answer?.contains($0) == true } ?? (answer == nil), "\(answer ?? "allowed")")
  }

  @Test func aGroupOfAdministratorsActsForOthers() throws {
    #expect(try Self.refusal(Self.judge(), "carol", Self.agent(), groups: ["admins"]) == nil)
    #expect(try Self.refusal(Self.judge(), "carol", Self.agent(), groups: ["Admins", "admins "]) != nil)
  }

  @Test(arguments: [
    (JSONValue?.none, "alice", "CREATE", JSONValue?.some("alice")), (.some(.null), "alice", "CREATE", .some("alice")),
    (.none, "system:serviceaccount:palana-system:palana-control", "CREATE", .none), (.some("bob"), "alice", "CREATE", .some("bob")),
    (.none, "alice", "UPDATE", .some("before")), (.some(""), "alice", "CREATE", .some("")),
  ])
  func anAbsentOwnerIsFilledIn(_ written: JSONValue?, _ user: String, _ operation: String, _ result: JSONValue?) throws {
    let request = try Asked.request(
      user, operation == "CREATE" ? .create : .update, "agents", object: Self.agent(written),
      old: operation == "CREATE" ? nil : Self.agent("before"),
      namespace: "people", group: "palana.dev")
    #expect(try Self.judge().completed(request)?["spec"]?["owner"] == result)
  }

  @Test func anOwnerStays() throws {
    for user in [Self.alice, Self.bob, "root@example.com", Self.engine] {
      #expect(
        try Self.refusal(Self.judge(), user, Self.agent(.string(Self.bob)), old: Self.agent())
          == "spec.owner: immutable, it is \(Self.alice)")
      #expect(try Self.refusal(Self.judge(), user, Self.agent(nil), old: Self.agent()) != nil)
    }
    // The same letters in another spelling are another owner.
    #expect(try Self.refusal(Self.judge(), "root@example.com", Self.agent("andr\u{e9}"), old: Self.agent("andre\u{301}")) != nil)
  }

  @Test func onlyTheOwnerChangesAnAgent() throws {
    let changed = Self.agent(.string(Self.alice), ["image": "example.com/other:1"])
    #expect(try Self.refusal(Self.judge(), Self.alice, changed, old: Self.agent()) == nil)
    #expect(try Self.refusal(Self.judge(), Self.bob, changed, old: Self.agent()) != nil)
    // The cluster's own controllers touch what they must.
    #expect(
      try Self.refusal(Self.judge(), "system:serviceaccount:kube-system:generic-garbage-collector", Self.agent(), old: Self.agent()) == nil)
    // Its labels choose the policies that apply to it.
    let labelled = Self.agent().setting("metadata.labels", ["team": "open"])
    #expect(try Self.refusal(Self.judge(), Self.bob, labelled, old: Self.agent())?.contains("metadata.labels") == true)
    #expect(try Self.refusal(Self.judge(), Self.alice, labelled, old: Self.agent()) == nil)
    let stopped = Self.agent(.string(Self.alice), ["lifecycle": ["desired": "Stopped"]])
    #expect(try Self.refusal(Self.judge(), Self.reaper, stopped, old: Self.agent()) == nil)
    #expect(try Self.refusal(Self.judge(), Self.reaper, changed, old: Self.agent()) != nil)
  }

  @Test(arguments: [
    ("palana.dev/paused", alice, true), ("palana.dev/paused", "root@example.com", false), ("palana.dev/purge", alice, false),
    ("palana.dev/purge", bob, true), ("palana.dev/owner", alice, true), ("palana.dev/anything", alice, true),
    ("example.com/note", bob, false),
    ("palana.dev/paused", engine, false),
  ])
  func annotationsOfThePlatform(_ name: String, _ user: String, _ isRefused: Bool) throws {
    let marked = Self.agent(.string(Self.alice), annotations: [name: "true"])
    #expect((try Self.refusal(Self.judge(), user, marked, old: Self.agent()) != nil) == isRefused)
    // Nor may they be taken away by who may not set them.
    #expect((try Self.refusal(Self.judge(), user, Self.agent(), old: marked) != nil) == isRefused)
    guard user == Self.alice else { return }
    #expect((try Self.refusal(Self.judge(), user, marked) != nil) == isRefused)
  }

  @Test func theFinalizerIsTheOperators() throws {
    let held = Self.agent().setting("metadata.finalizers", ["palana.dev/agent", "example.com/other"])
    let freed = Self.agent().setting("metadata.finalizers", ["example.com/other"])
    #expect(try Self.refusal(Self.judge(), Self.alice, freed, old: held)?.contains("taken away by the operator") == true)
    #expect(try Self.refusal(Self.judge(), Self.engine, freed, old: held) == nil)
    #expect(try Self.refusal(Self.judge(), Self.alice, held.setting("metadata.finalizers", ["palana.dev/agent"]), old: held) == nil)
  }

  @Test func aNameStandsOnceForEachOwner() throws {
    let registry = Self.known([("elsewhere", "demo", Self.alice), ("third", "demo", Self.bob)])
    #expect(
      try Self.refusal(Self.judge(registry), Self.alice, Self.agent())
        == "‘alice@example.com’ has an agent ‘demo’ already, in the namespace ‘elsewhere’")
    #expect(try Self.refusal(Self.judge(registry), "root@example.com", Self.agent()) != nil)
    #expect(try Self.refusal(Self.judge(Self.known([("third", "demo", Self.bob)])), Self.alice, Self.agent()) == nil)
    // Itself is no other.
    #expect(try Self.refusal(Self.judge(Self.known([("people", "demo", Self.alice)])), Self.alice, Self.agent()) == nil)
    #expect(try Self.refusal(Self.judge(AgentRegistry()), Self.alice, Self.agent())?.contains("not known yet") == true)
  }

  @Test func ownersHaveSoManyAgents() throws {
    let registry = Self.known([("a", "one", Self.alice), ("b", "two", Self.alice), ("c", "three", Self.bob)])
    #expect(try Self.refusal(Self.judge(registry, quota: 3), Self.alice, Self.agent()) == nil)
    // What was just allowed counts, although no watch has told of it.
    let next = Self.agent().setting("metadata.name", "next")
    #expect(try Self.refusal(Self.judge(registry, quota: 3), Self.alice, next) == "‘alice@example.com’ has 3 agents, and may have 3")
    #expect(try Self.refusal(Self.judge(registry, quota: 3), "root@example.com", next) == nil)
    registry.told(ObjectKey(namespace: "a", name: "one"), nil)
    registry.told(ObjectKey(namespace: "people", name: "next"), nil)
    #expect(try Self.refusal(Self.judge(registry, quota: 3), Self.alice, next) == nil)
  }

  @Test func everyProblemIsNamed() throws {
    let wrong = Self.agent(.string(Self.alice), ["workingDirectory": "x", "resources": ["pids": 1], "env": ["PALANA_AGENT": "x"]])
    let answer = try Self.refusal(Self.judge(), Self.alice, wrong)
    for path in ["spec.workingDirectory", "spec.resources.pids", "spec.env.PALANA_AGENT"] { #expect(answer?.contains(path) == true) }
    let open = try Self.refusal(Self.judge(), Self.alice, Self.agent(.string(Self.alice), ["egress": ["rules": [["host": "*"]]]]))
    #expect(open?.contains("spec.egress.rules[0]") == true)
    #expect(try Self.refusal(Self.judge(), Self.alice, Self.agent(.string(Self.alice), ["ports": "x"]))?.contains("spec.ports") == true)
  }

  @Test(arguments: [
    ("registry.example.com/agents/x:1", false), ("registry.example.com/agents@sha256:\(String(repeating: "0", count: 64))", false),
    ("registry.example.com/agents.evil/x", true),
    ("registry.example.com/agentsevil/x", true), ("registry.example.com.evil.test/agents/x", true),
    ("evil/registry.example.com/agents/x", true),
    ("registry.example.com/agents", true), ("agents/x", true), ("python:3", true), ("docker.io/library/python:3", true),
    ("docker://registry.example.com/agents/x:1", false),
  ])
  func imagesComeFromWhereTheyMay(_ image: String, _ isRefused: Bool) throws {
    let answer = try Self.refusal(
      Self.judge(images: ["registry.example.com/agents"]), Self.alice, Self.agent(.string(Self.alice), ["image": .string(image)]))
    #expect((answer != nil) == isRefused, "\(answer ?? "allowed")")
  }

  @Test func aPrefixBeginsWithARegistry() throws {
    for prefix in ["", "agents/", "registry", " registry.example.com/"] {
      #expect(throws: PalanaError.self) { try AllowedImages(prefixes: [prefix]) }
    }
    let own = try AllowedImages(prefixes: ["docker.io/library/"], own: ["other.example.com/base:1"])
    #expect(own.allows("python:3") && own.allows("docker.io/library/python") && own.allows("other.example.com/base:1"))
    #expect(!own.allows("somebody/python") && !own.allows("other.example.com/base:2") && !own.allows(""))
  }
}
