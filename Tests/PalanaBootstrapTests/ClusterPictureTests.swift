import Logging
import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaOperator
import PalanaPlan
import PalanaPolicy
import Testing

@testable import PalanaBootstrap
@testable import PalanaEgress

/// Who is served, with which rules, as it follows from the objects of a cluster.
@Suite struct ClusterPictureTests {
  /// A cluster of which a test changes what it is about.
  private struct Fixture {
    var picture = ClusterPicture()
    var version: UInt64 = 0
    let book: PolicyBook
    private let logger: Logger

    init() {
      var logger = Logger(label: "test")
      logger.logLevel = .critical
      self.logger = logger
      book = PolicyBook(guardrails: [], trustsVersions: true, logger: logger)
    }

    /// `alice`'s agent `demo`, which runs at 10.1.0.5 and may reach `api.example.com`.
    static func whole() throws -> Fixture {
      var fixture = Fixture()
      fixture.put(agent: try agent())
      fixture.put(namespace: try namespace())
      fixture.put(pod: try pod())
      return fixture
    }

    mutating func put(agent object: KubeObject) { _ = picture.put(agent: object.key, ClusterAgent(object)) }
    mutating func put(pod object: KubeObject) { _ = picture.put(pod: object.key, ClusterPod(object)) }
    mutating func put(namespace object: KubeObject) {
      _ = picture.put(namespace: object.name, agentUID: object.annotations[AgentLabels.agentUID])
    }
    mutating func put(binding object: KubeObject) { _ = picture.put(binding: object.key, ClusterBinding(object)) }
    mutating func put(policy object: KubeObject) { _ = picture.put(policy: object.name, ClusterPolicy(object)) }
    mutating func put(template object: KubeObject) {
      _ = picture.put(template: object.name, .some(ObjectReading.read(object, as: AgentTemplate.self)))
    }
    mutating func put(order object: KubeObject) { _ = picture.put(order: object.name, ClusterOrder(object, gateway: "g-1")) }

    mutating func snapshot(withheld: Withheld? = nil) throws -> EgressSnapshot {
      version += 1
      return try picture.snapshot(
        version: version, withheld: withheld,
        ClusterPicture.Tools(book: book, proxyToken: { Redacted("token of \($0)") }, logger: logger))
    }

    /// Those that are served: `demo@10.1.0.5`.
    mutating func served() throws -> [String] { try snapshot().all.map { "\($0.subject.name)@\($0.source)" }.sorted() }

    /// What is said to a request of the only agent: nil when it is allowed.
    mutating func denial(_ host: String = "api.example.com", withheld: Withheld? = nil) async throws -> String? {
      let all = try snapshot(withheld: withheld).all
      guard let agent = all.first, all.count == 1 else { return "\(all.count) agents" }
      guard !agent.isKilled else { return "killed" }
      let request = EgressRequest(
        subject: agent.subject, stage: .request, scheme: .https, authority: try Authority.parse(connectTarget: "\(host):443"),
        method: "GET", path: "/")
      return await agent.decisions.decide(request).denial?.rawValue
    }

    // MARK: Objects

    static func home(_ name: String = "demo", owner: String = "alice@example.com") throws -> String {
      AgentNamespace.name(owner: try UserIdentity(owner), agent: try ResourceName(name))
    }

    static func object(_ kind: KubeResource, _ namespace: String?, _ name: String, uid: String, _ spec: JSONValue) -> KubeObject {
      var object = KubeObject(kind, namespace: namespace, name: name)
      object.setMetadata("uid", .string(uid))
      object.setMetadata("resourceVersion", "7")
      object["spec"] = spec
      return object
    }

    static func agent(
      _ name: String = "demo", in namespace: String = "people", uid: String = "a-1", owner: JSONValue = "alice@example.com",
      spec more: JSONObject = [:]
    ) throws -> KubeObject {
      var spec: JSONObject = ["owner": owner, "image": "example.com/a:1", "egress": ["rules": [["host": "api.example.com"]]]]
      for (name, value) in more { spec[name] = value }
      return object(ClusterKinds.agents, namespace, name, uid: uid, .object(spec))
    }

    static func namespace(_ name: String = "demo", uid: String = "a-1") throws -> KubeObject {
      var object = KubeObject(KubernetesManifest.Kind.namespace.resource, name: try home(name))
      object.setMetadata("annotations", [AgentLabels.agentUID: .string(uid)])
      return object
    }

    static func pod(
      _ name: String = "demo", in namespace: String? = nil, uid: String = "p-1", address: String = "10.1.0.5",
      _ change: (inout KubeObject) -> Void = { _ in }
    ) throws -> KubeObject {
      let id = AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName(name))
      var pod = KubeObject(ClusterKinds.pods, namespace: try namespace ?? home(name), name: "agent-0")
      pod.setMetadata("uid", .string(uid))
      pod.setMetadata("labels", [AgentLabels.managedBy: "palana", AgentLabels.agentID: .string(id.text)])
      pod.setMetadata(
        "ownerReferences",
        [["apiVersion": "apps/v1", "kind": "StatefulSet", "name": "agent", "uid": "s-1", "controller": true]])
      pod["spec"] = [:]
      pod["status"] = ["phase": "Running", "podIP": .string(address)]
      change(&pod)
      return pod
    }

    static func binding(_ agent: JSONValue = "demo", in namespace: String = "people", owner: String = "alice@example.com") -> KubeObject {
      object(
        ClusterKinds.bindings, namespace, "b", uid: "b-1",
        [
          "owner": .string(owner), "agent": agent, "secret": "PAT", "access": "proxy-only", "hosts": ["api.example.com"], "places": [],
          "keys": [["key": "token", "placeholder": "TOKEN_PAT", "variable": "PAT"]], "revision": 1,
        ])
    }

    static func order(_ target: JSONValue) -> KubeObject {
      object(
        ClusterKinds.orders, nil, "o", uid: "o-1",
        ["target": target, "reason": "drill", "by": "sec", "at": "2026-01-01T00:00:00Z"])
    }
  }

  @Test func anAgentIsServedAtItsPod() async throws {
    var fixture = try Fixture.whole()
    let agent = try #require(try fixture.snapshot().all.first)
    #expect(agent.source == IPAddress("10.1.0.5") && agent.instance == "p-1")
    #expect(agent.proxyToken.matches(Redacted("token of a-1")))
    #expect(try await fixture.denial() == nil)
    #expect(try await fixture.denial("other.example.com") == "host_not_allowed")
    #expect(fixture.picture.served == 1)
  }

  /// What a pod, the namespace or the agent has that keeps it from being served.
  @Test(arguments: [
    "host network", "deleted", "succeeded", "failed", "no address", "another name", "another controller", "no controller",
    "not managed by us", "the label of another agent", "a namespace of somebody else", "another agent’s namespace", "no namespace",
    "no agent", "an agent that is being deleted", "an agent of nobody", "an agent that cannot be read", "a foreign namespace",
  ]) func notServed(_ why: String) throws {
    var fixture = Fixture()
    fixture.put(agent: try Fixture.agent())
    fixture.put(namespace: try Fixture.namespace())
    var pod = try Fixture.pod()
    switch why {
    case "host network": pod["spec"] = ["hostNetwork": true]
    case "deleted": pod.setMetadata("deletionTimestamp", "2026-01-01T00:00:00Z")
    case "succeeded": pod["status"] = ["phase": "Succeeded", "podIP": "10.1.0.5"]
    case "failed": pod["status"] = ["phase": "Failed", "podIP": "10.1.0.5"]
    case "no address": pod["status"] = ["phase": "Running"]
    case "another name": pod.setMetadata("name", "agent-1")
    case "another controller":
      pod.setMetadata("ownerReferences", [["apiVersion": "batch/v1", "kind": "Job", "name": "agent", "controller": true]])
    case "no controller": pod.setMetadata("ownerReferences", nil)
    case "not managed by us": pod.setMetadata("labels", [AgentLabels.agentID: pod.metadata["labels"]?[AgentLabels.agentID] ?? .null])
    case "the label of another agent":
      pod.setMetadata("labels", [AgentLabels.managedBy: "palana", AgentLabels.agentID: "other-0123456789"])
    case "a namespace of somebody else": _ = fixture.picture.put(namespace: try Fixture.home(), agentUID: nil)
    case "another agent’s namespace": fixture.put(namespace: try Fixture.namespace(uid: "a-2"))
    case "no namespace": _ = fixture.picture.put(namespace: try Fixture.home(), agentUID: nil)
    case "no agent": _ = fixture.picture.put(agent: ObjectKey(namespace: "people", name: "demo"), nil)
    case "an agent that is being deleted":
      var agent = try Fixture.agent()
      agent.setMetadata("deletionTimestamp", "2026-01-01T00:00:00Z")
      fixture.put(agent: agent)
    case "an agent of nobody": fixture.put(agent: try Fixture.agent(owner: .null))
    case "an agent that cannot be read": fixture.put(agent: try Fixture.agent(spec: ["resources": ["memory": "much"]]))
    // All labels right, but where anybody may make pods.
    case "a foreign namespace": pod.setMetadata("namespace", "people")
    default: Issue.record("\(why)")
    }
    fixture.put(pod: pod)
    #expect(try fixture.served() == [], "\(why)")
  }

  @Test func ofTwoWithOneAddressNeitherIsServed() throws {
    var fixture = try Fixture.whole()
    fixture.put(agent: try Fixture.agent("other", uid: "a-2"))
    fixture.put(namespace: try Fixture.namespace("other", uid: "a-2"))
    fixture.put(pod: try Fixture.pod("other", uid: "p-2", address: "10.1.0.6"))
    #expect(try fixture.served() == ["demo@10.1.0.5", "other@10.1.0.6"])
    fixture.put(pod: try Fixture.pod("other", uid: "p-2", address: "10.1.0.5"))
    #expect(try fixture.served() == [])
    // Also when the other one is none that would be served: the address is claimed all the same.
    let thief = try Fixture.pod("other", in: "people", uid: "p-3", address: "10.1.0.5")
    _ = fixture.picture.put(pod: ObjectKey(namespace: try Fixture.home("other"), name: "agent-0"), nil)
    #expect(try fixture.served() == ["demo@10.1.0.5"])
    fixture.put(pod: thief)
    #expect(try fixture.served() == [])
    // What has ended claims nothing.
    fixture.put(pod: try Fixture.pod("other", in: "people", uid: "p-3") { $0["status"] = ["phase": "Failed", "podIP": "10.1.0.5"] })
    #expect(try fixture.served() == ["demo@10.1.0.5"])
  }

  @Test func anAddressThatMovesIsAnotherIdentityAtOnce() throws {
    var fixture = try Fixture.whole()
    let before = try #require(try fixture.snapshot().all.first)
    // Of the same agent: another life.
    fixture.put(pod: try Fixture.pod(uid: "p-9"))
    let again = try #require(try fixture.snapshot().all.first)
    #expect(again.source == before.source && !again.continues(before))
    // Of another one.
    fixture.put(agent: try Fixture.agent("other", uid: "a-2"))
    fixture.put(namespace: try Fixture.namespace("other", uid: "a-2"))
    _ = fixture.picture.put(pod: ObjectKey(namespace: try Fixture.home(), name: "agent-0"), nil)
    fixture.put(pod: try Fixture.pod("other", uid: "p-2", address: "10.1.0.5"))
    #expect(try fixture.served() == ["other@10.1.0.5"])
  }

  /// The one for which the operator made the namespace is the agent; the other one has its name only.
  @Test func ofTwoThatClaimToBeTheSameOneIsServed() throws {
    var fixture = try Fixture.whole()
    fixture.put(agent: try Fixture.agent(in: "elsewhere", uid: "a-9", spec: ["egress": ["rules": [["host": "evil.example.com"]]]]))
    let all = try fixture.snapshot().all
    #expect(all.count == 1 && all.first?.proxyToken.matches(Redacted("token of a-1")) == true)
    fixture.put(namespace: try Fixture.namespace(uid: "a-9"))
    #expect(try fixture.snapshot().all.first?.proxyToken.matches(Redacted("token of a-9")) == true)
  }

  @Test func aBindingCountsOnlyBesideTheAgent() throws {
    let rows: [(KubeObject, Int)] = [
      (Fixture.binding(), 1), (Fixture.binding(in: "elsewhere"), 0), (Fixture.binding("other"), 0),
      (Fixture.binding(owner: "mallory@example.com"), 0),
    ]
    for (binding, count) in rows {
      var fixture = try Fixture.whole()
      fixture.put(binding: binding)
      #expect(try fixture.snapshot().all.first?.bindings.count == count, "\(binding.json)")
      // The values of one that does not run are looked for all the same.
      _ = fixture.picture.put(pod: ObjectKey(namespace: try Fixture.home(), name: "agent-0"), nil)
      #expect(try fixture.snapshot().bindings.count == count)
      _ = fixture.picture.put(binding: binding.key, nil)
      #expect(try fixture.snapshot().bindings.isEmpty)
    }
  }

  @Test func whatCannotBeReadAllowsNothing() async throws {
    func policy(_ spec: JSONValue) -> KubeObject { Fixture.object(ClusterKinds.policies, nil, "p", uid: "p-1", spec) }
    func template(_ spec: JSONValue) -> KubeObject { Fixture.object(ClusterKinds.templates, nil, "small", uid: "t-1", spec) }
    let rules: JSONValue = [["host": 5]]
    let rows: [(String, String?, (inout Fixture) throws -> Void)] = [
      ("a policy for all", "policy_unavailable", { $0.put(policy: policy(["rules": rules])) }),
      ("a policy for it", "policy_unavailable", { $0.put(policy: policy(["selector": ["agents": ["demo"]], "rules": rules])) }),
      ("a policy for others", nil, { $0.put(policy: policy(["selector": ["agents": ["other"]], "rules": rules])) }),
      ("a policy for who knows", "policy_unavailable", { $0.put(policy: policy(["selector": ["agents": "other"], "rules": rules])) }),
      ("a binding of it", "policy_unavailable", { $0.put(binding: Fixture.binding("demo", owner: "")) }),
      ("a binding of another one", nil, { $0.put(binding: Fixture.binding("other", owner: "")) }),
      ("a binding of who knows", "policy_unavailable", { $0.put(binding: Fixture.binding(1)) }),
      ("a binding elsewhere", nil, { $0.put(binding: Fixture.binding(1, in: "elsewhere")) }),
      (
        "a template that is not there", "policy_unavailable",
        { $0.put(agent: try Fixture.agent(spec: ["template": "small"])) }
      ),
      (
        "a template", "policy_unavailable",
        {
          $0.put(agent: try Fixture.agent(spec: ["template": "small"]))
          $0.put(template: template(["image": "example.com/a:1", "egress": ["rules": rules]]))
        }
      ),
      (
        "a template that can be read", nil,
        {
          $0.put(agent: try Fixture.agent(spec: ["template": "small"]))
          $0.put(template: template(["image": "example.com/a:1"]))
        }
      ),
      ("an order", "killed", { $0.put(order: Fixture.order(["whom": "nobody"])) }),
    ]
    for (name, denial, change) in rows {
      var fixture = try Fixture.whole()
      #expect(try await fixture.denial() == nil)
      try change(&fixture)
      #expect(try await fixture.denial() == denial, "\(name)")
    }
  }

  @Test func ordersHold() async throws {
    let id = AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName("demo"))
    let rows: [(JSONValue, Bool)] = [
      (["all": true], true), (["owner": "alice@example.com"], true), (["owner": "Alice@example.com"], false),
      (["agent": .string(id.text)], true), (["agent": "demo-0000000000"], false), (["template": "small"], false),
    ]
    for (target, isKilled) in rows {
      var fixture = try Fixture.whole()
      _ = try fixture.snapshot()
      fixture.put(order: Fixture.order(target))
      #expect(try await fixture.denial() == (isKilled ? "killed" : nil), "\(target)")
      #expect(fixture.picture.killed == (isKilled ? [id] : []))
      // One that was never served is held too: it may be served later.
      _ = fixture.picture.put(pod: ObjectKey(namespace: try Fixture.home(), name: "agent-0"), nil)
      _ = try fixture.snapshot()
      #expect(fixture.picture.killed == (isKilled ? [id] : []))
      _ = fixture.picture.put(order: "o", nil)
      fixture.put(pod: try Fixture.pod())
      #expect(try await fixture.denial() == nil)
    }
  }

  @Test func anOrderIsAnsweredByThisGatewayOnly() {
    var order = Fixture.order(["all": true])
    func entry(_ plane: String, _ by: String) -> JSONValue {
      ["plane": .string(plane), "by": .string(by), "at": "2026-01-01T00:00:00Z"]
    }
    for (entries, isAnswered) in [
      ([], false), ([entry("gateway", "g-2")], false), ([entry("network", "g-1")], false),
      ([entry("gateway", "g-2"), entry("gateway", "g-1")], true),
    ] as [([JSONValue], Bool)] {
      order["status"] = ["planes": .array(entries)]
      #expect(ClusterOrder(order, gateway: "g-1").isAnswered == isAnswered)
    }
  }

  @Test func whatMayBeOldAllowsNothing() async throws {
    var fixture = try Fixture.whole()
    #expect(try await fixture.denial(withheld: Withheld("old")) == "policy_unavailable")
    #expect(try await fixture.denial() == nil)
  }

  /// A pod that comes or goes makes nothing anew but its own agent.
  @Test func onlyWhatChangedIsMadeAnew() throws {
    var fixture = try Fixture.whole()
    fixture.put(agent: try Fixture.agent("other", uid: "a-2"))
    fixture.put(namespace: try Fixture.namespace("other", uid: "a-2"))
    fixture.put(pod: try Fixture.pod("other", uid: "p-2", address: "10.1.0.6"))
    func objects() throws -> [String: ObjectIdentifier] {
      Dictionary(uniqueKeysWithValues: try fixture.snapshot().all.map { ($0.subject.name.text, ObjectIdentifier($0)) })
    }
    // Kept, so that what is made anew is not where the old one was.
    let first = try fixture.snapshot()
    let before = Dictionary(uniqueKeysWithValues: first.all.map { ($0.subject.name.text, ObjectIdentifier($0)) })
    #expect(before.count == 2)
    fixture.put(pod: try Fixture.pod("other", uid: "p-3", address: "10.1.0.7"))
    let after = try objects()
    #expect(after["demo"] == before["demo"] && after["other"] != before["other"])
    // A status, a label of the server's, a new version of the same: nothing.
    var agent = try Fixture.agent()
    agent.setMetadata("resourceVersion", "8")
    agent["status"] = ["phase": "Running"]
    let isChanged = fixture.picture.put(agent: agent.key, ClusterAgent(agent))
    #expect(!isChanged)
    // An order makes those anew that it covers.
    let id = AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName("other"))
    fixture.put(order: Fixture.order(["agent": .string(id.text)]))
    let killed = try objects()
    #expect(killed["demo"] == before["demo"] && killed["other"] != after["other"])
    withExtendedLifetime(first) {}
  }
}
