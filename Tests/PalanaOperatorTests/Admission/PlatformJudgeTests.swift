import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import Testing

@testable import PalanaOperator

/// What is decided about objects of the installation and about namespaces.
@Suite struct PlatformJudgeTests {
  private static let alice = "alice@example.com"
  private static let root = "root@example.com"
  private static let engine = "system:serviceaccount:palana-system:palana-operator"
  private static let control = "system:serviceaccount:palana-system:palana-control"

  private static func parties() throws -> Parties { Parties(administrators: [try UserIdentity(root)]) }

  private static func judge() throws -> PlatformKindsJudge { PlatformKindsJudge(parties: try parties()) }

  private static func refusal(_ body: () throws(AdmissionRefusal) -> Void) -> String? {
    do throws(AdmissionRefusal) { try body() } catch { return error.message }
    return nil
  }

  private static func order(_ by: JSONValue?, _ target: JSONValue) -> JSONValue {
    var spec: JSONObject = ["target": target, "reason": "test", "at": "2026-01-01T00:00:00Z"]
    spec["by"] = by
    return ["apiVersion": "palana.dev/v1alpha1", "kind": "KillOrder", "metadata": ["name": "k"], "spec": .object(spec)]
  }

  private static func object(_ kind: String, _ spec: JSONValue) -> JSONValue {
    ["apiVersion": "palana.dev/v1alpha1", "kind": .string(kind), "metadata": ["name": "x", "namespace": "people"], "spec": spec]
  }

  private static let policy = object("EgressPolicy", ["rules": [["host": "api.example.com"]]])
  private static let template = object("AgentTemplate", ["image": "example.com/x:1"])
  private static let binding = object(
    "SecretBinding",
    [
      "owner": "alice@example.com", "agent": "demo", "secret": "KEY", "access": "proxy-only", "keys": [["key": "token"]],
      "hosts": ["evil.example.com"], "places": [], "revision": 0,
    ])

  @Test(arguments: [
    (alice, true), (root, false), (engine, false), (control, false), ("system:serviceaccount:palana-system:palana-reaper", true),
  ])
  func onlyThePlatformWritesForEverybody(_ user: String, _ isRefused: Bool) throws {
    let answers = [
      try Self.check(user, .create, Self.policy), try Self.check(user, .create, Self.template), try Self.check(user, .create, Self.binding),
      try Self.check(user, .update, Self.policy.setting("spec.rules[0].host", "other.example.com"), old: Self.policy),
      // Without the policy, what it denied would be allowed.
      try Self.check(user, .delete, nil, old: Self.policy), try Self.check(user, .delete, nil, old: Self.template),
    ]
    for answer in answers { #expect((answer != nil) == isRefused, "\(answer ?? "allowed")") }
    // Without a binding a secret goes nowhere.
    #expect(try Self.check(user, .delete, nil, old: Self.binding) == nil)
  }

  private static func check(
    _ user: String, _ operation: AdmissionRequest.Operation, _ object: JSONValue?, old: JSONValue? = nil
  ) throws -> String? {
    let request = try Asked.request(user, operation, "x", object: object, old: old, group: "palana.dev")
    let judge = try judge()
    return refusal { () throws(AdmissionRefusal) in
      switch (object ?? old)?["kind"]?.string {
      case "EgressPolicy": try judge.check(request, as: EgressPolicy.self)
      case "AgentTemplate": try judge.check(request, as: AgentTemplate.self)
      default: try judge.check(request, as: SecretBinding.self)
      }
    }
  }

  @Test func whatIsWrittenIsSound() throws {
    #expect(
      try Self.check(Self.root, .create, Self.object("EgressPolicy", ["rules": []]))?.contains("spec.rules: at least one rule") == true)
    // What hosts and paths mean, the policy knows.
    for host in ["*", "**", "*.com", "a.*.example.com"] {
      let open = try Self.check(Self.root, .create, Self.policy.setting("spec.rules[0].host", .string(host)))
      #expect(open?.contains("spec.rules[0]") == true, "\(host): \(open ?? "allowed")")
    }
    #expect(try Self.check(Self.root, .create, Self.binding.setting("spec.places", ["nowhere"]))?.contains("spec.places[0]") == true)
  }

  private static let id = "demo-" + AgentDigits.of(alice, "demo")

  private static let kills: [(String, String, JSONValue, String?)] = [
    // Who, by, target, what is read.
    (alice, alice, ["owner": .string(alice)], nil), (alice, alice, ["agent": .string(id)], nil),
    (alice, "bob@example.com", ["owner": .string(alice)], "spec.by: ‘bob@example.com’ is not you"),
    (alice, alice, ["owner": "bob@example.com"], "your own agents"), (alice, alice, ["all": true], "your own agents"),
    (alice, alice, ["template": "python"], "your own agents"), (alice, alice, ["agent": "demo-0123456789"], "your own agents"),
    (root, root, ["all": true], nil), (root, alice, ["all": true], "is not you"), (control, alice, ["all": true], nil),
    (alice, alice, ["owner": .string(alice), "all": true], "exactly one of"), (root, root, [:], "exactly one of"),
  ]

  @Test(arguments: kills)
  func killsAreGivenInOnesOwnName(_ user: String, _ by: String, _ target: JSONValue, _ refused: String?) throws {
    let judge = try Self.judge()
    let request = try Asked.request(user, .create, "killorders", object: Self.order(.string(by), target), group: "palana.dev")
    let answer = Self.refusal { () throws(AdmissionRefusal) in try judge.checkOrder(request) }
    #expect(refused.map { answer?.contains($0) == true } ?? (answer == nil), "\(answer ?? "allowed")")
  }

  @Test func aKillStays() throws {
    let order = Self.order(.string(Self.alice), ["owner": .string(Self.alice)])
    func answer(_ user: String, _ operation: AdmissionRequest.Operation, _ object: JSONValue?) throws -> String? {
      let request = try Asked.request(user, operation, "killorders", object: object, old: order, group: "palana.dev")
      let judge = try Self.judge()
      return Self.refusal { () throws(AdmissionRefusal) in try judge.checkOrder(request) }
    }
    #expect(try answer(Self.alice, .delete, nil)?.contains("taken back by platform administrators only") == true)
    #expect(try answer(Self.root, .delete, nil) == nil)
    for user in [Self.alice, Self.root, Self.engine] {
      #expect(try answer(user, .update, order.setting("spec.target", ["template": "none"])) != nil)
      #expect(try answer(user, .update, order.setting("metadata.labels", ["a": "b"])) == nil)
    }
  }

  @Test func whoAndWhenAreFilledIn() throws {
    let judge = try Self.judge()
    var written = Self.order(nil, ["all": true])
    written = written.setting("spec.at", nil)
    let completed = judge.completed(
      try Asked.request(Self.root, .create, "killorders", object: written, group: "palana.dev"), now: Timestamp(seconds: 0))
    #expect(completed?["spec"]?["by"]?.string == Self.root && completed?["spec"]?["at"]?.string?.hasPrefix("1970-01-01T00:00:00") == true)
    let own = Self.order("somebody", ["all": true])
    #expect(
      judge.completed(try Asked.request(Self.root, .create, "killorders", object: own, group: "palana.dev"), now: Timestamp(seconds: 0))
        == own)
  }

  // MARK: Namespaces

  private static func namespace(_ name: String, labels: JSONValue? = nil, annotations: JSONValue? = nil) -> JSONValue {
    var metadata: JSONObject = ["name": .string(name)]
    metadata["labels"] = labels
    metadata["annotations"] = annotations
    return ["metadata": .object(metadata)]
  }

  private static let home = "agent-alice-example-com-demo-0123456789"
  private static let ours: JSONValue = ["palana.dev/agent-id": "demo-0123456789", "app.kubernetes.io/managed-by": "palana"]

  private static let named: [(JSONValue, JSONValue?, Bool)] = [
    (namespace(home), nil, true), (namespace("other", labels: ours), nil, true),
    (namespace("other", labels: ["palana.dev/owner": "x"]), nil, true),
    (namespace("other", annotations: ["palana.dev/owner": "alice@example.com"]), nil, true),
    (namespace("other", labels: ["app.kubernetes.io/managed-by": "palana"]), nil, true),
    (namespace("other", labels: ["app.kubernetes.io/managed-by": "Helm"]), nil, false), (namespace("agent-smith"), nil, false),
    (namespace("agent-0123456789"), nil, false),
    // What is there.
    (namespace(home, labels: ["pod-security.kubernetes.io/enforce": "privileged"]), namespace(home, labels: ours), true),
    (namespace(home, labels: ours, annotations: ["palana.dev/owner": "bob"]), namespace(home, labels: ours), true),
    (namespace("other"), namespace("other", labels: ours), true),
    (namespace(home, labels: ours, annotations: ["x": "y"]), namespace(home, labels: ours), false),
    (namespace("other", labels: ["a": "b"]), namespace("other"), false),
  ]

  @Test(arguments: named)
  func anAgentsNamespaceIsTheOperators(_ object: JSONValue, _ old: JSONValue?, _ isRefused: Bool) throws {
    let judge = NamespaceJudge(parties: try Self.parties())
    func answer(_ user: String) throws -> String? {
      let request = try Asked.request(user, old == nil ? .create : .update, "namespaces", object: object, old: old)
      return Self.refusal { () throws(AdmissionRefusal) in try judge.check(request) }
    }
    #expect((try answer(Self.alice) != nil) == isRefused)
    #expect(try answer(Self.engine) == nil)
  }

  @Test func ownersNamespacesAreMadeByThePlatform() throws {
    let judge = NamespaceJudge(parties: try Self.parties())
    let object = Self.namespace("palana-alice-0123456789", annotations: ["palana.dev/owner": "alice@example.com"])
    for (user, isRefused) in [(Self.control, false), (Self.root, false), (Self.alice, true)] {
      let request = try Asked.request(user, .create, "namespaces", object: object)
      #expect((Self.refusal { () throws(AdmissionRefusal) in try judge.check(request) } != nil) == isRefused)
    }
    // Not even administrators, as what follows from the labels of an agent's namespace is the operator's to know.
    let request = try Asked.request(Self.root, .create, "namespaces", object: Self.namespace(Self.home))
    #expect(Self.refusal { () throws(AdmissionRefusal) in try judge.check(request) } != nil)
  }
}

enum AgentDigits {
  static func of(_ owner: String, _ name: String) -> String {
    guard let owner = try? UserIdentity(owner), let name = try? ResourceName(name) else { return "" }
    return String(AgentID(owner: owner, name: name).text.suffix(10))
  }
}
