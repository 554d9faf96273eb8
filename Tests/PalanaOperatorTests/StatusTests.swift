import PalanaAPI
import PalanaCore
import PalanaPlan
import Testing

@testable import PalanaKube
@testable import PalanaOperator

/// What is said of an agent, from what was seen and done.
@Suite struct StatusTests {
  private static let now = Timestamp(seconds: 1_000)

  private static func seen(status: JSONValue? = nil) -> SeenAgent {
    var object = TestCluster.agent("demo", in: "people")
    object.setMetadata("uid", "u-1")
    object.setMetadata("generation", 4)
    object["status"] = status
    return SeenAgent(object)
  }

  private static func pass(_ seen: SeenAgent, _ change: (inout AgentWish) -> Void = { _ in }) throws -> Pass {
    let identity = try #require(seen.identity)
    var wish = try AgentWish.make(
      seen, identity, ClusterCopy(kinds: []), nil,
      PlatformFacts(gateway: .name("gateway"), prefix: 0, proxyPort: 3128))
    change(&wish)
    var pass = Pass(seen: seen, identity: identity)
    pass.wish = wish
    return pass
  }

  private static func pod(_ container: JSONValue, conditions: JSONValue = []) -> PodState {
    var object = KubeObject(ClusterKinds.pods, namespace: "n", name: "agent-0")
    object.setMetadata("annotations", ["palana.dev/run": "0"])
    object["status"] = ["podIP": "10.0.0.9", "containerStatuses": [container], "conditions": conditions]
    return PodState(object)
  }

  private static func ready(_ status: AgentStatus) -> String {
    let condition = status.conditions?.first { $0.type == "Ready" }
    return "\(status.phase.rawValue) \(condition?.status.rawValue ?? "") \(condition?.reason ?? "")"
  }

  @Test func phases() throws {
    let seen = Self.seen()
    let running = Self.pod(["name": "agent", "state": ["running": ["startedAt": "2026-11-27T10:00:00Z"]]])
    let pulling = Self.pod(["name": "agent", "state": ["waiting": ["reason": "ImagePullBackOff", "message": "no such image"]]])
    let homeless = Self.pod([:], conditions: [["type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3"]])
    func said(_ pass: Pass?, _ pod: PodState?, _ failure: PassFailure? = nil) -> String {
      Self.ready(.observed(seen, pass, pod, failure, now: Self.now))
    }
    #expect(said(try Self.pass(seen), running) == "Running True Running")
    #expect(said(try Self.pass(seen), pulling) == "Pending False ImagePullBackOff")
    #expect(said(try Self.pass(seen), homeless) == "Pending False Unschedulable")
    #expect(said(try Self.pass(seen), nil) == "Pending False Starting")
    #expect(said(try Self.pass(seen) { $0.isStopped = true }, nil) == "Stopped False Stopped")
    // Whatever the pod does.
    #expect(said(try Self.pass(seen) { $0.isKilled = true }, running) == "Killed False Killed")
    #expect(said(nil, nil, .stalled(reason: "TemplateMissing", message: "x")) == "Failed False TemplateMissing")
    let exit = { AgentStatus.LastExit(code: $0, reason: $0 == 0 ? "Completed" : "Error", time: Self.now) }
    func ended(_ code: Int) throws -> Pass {
      try Self.pass(seen) {
        $0.run.ended = 0
        $0.ending = exit(code)
      }
    }
    #expect(said(try ended(0), nil) == "Stopped False Completed")
    #expect(said(try ended(3), nil) == "Failed False Error")
  }

  /// Otherwise every look would be a write.
  @Test func theSameIsSaidTheSame() throws {
    let pass = try Self.pass(Self.seen())
    let first = AgentStatus.observed(Self.seen(), pass, nil, nil, now: Self.now)
    let again = Self.seen(status: try JSONValue(encoding: first))
    #expect(again.status == first)
    #expect(AgentStatus.observed(again, pass, nil, nil, now: Timestamp(seconds: 9_000)) == first)
    #expect(first.observedGeneration == 4)
    // What failed for a while changes what is said of the objects, not of the agent.
    let failed = AgentStatus.observed(again, pass, nil, .failed(KubeError(.server, status: 500, "no")), now: Timestamp(seconds: 9_000))
    #expect(Self.ready(failed) == Self.ready(first))
    #expect(failed.conditions?.first { $0.type == "Applied" }?.status == .isFalse)
  }

  /// Containment fails closed.
  @Test func ordersThatCannotBeReadAreAboutEverybody() throws {
    var broken = TestCluster.agent("demo", in: "people", ["resources": ["memory": "much"]])
    broken.setMetadata("uid", "u-1")
    let unreadable = SeenAgent(broken)
    guard case .failure = unreadable.content else { return #expect(Bool(false)) }
    let identity = try #require(unreadable.identity)
    #expect(identity.namespace.hasPrefix("agent-alice-example-com-demo-"))
    let copy = ClusterCopy(kinds: [])
    #expect(copy.orders(about: unreadable).isEmpty)
    func order(_ target: KillOrderSpec.Target?) throws -> SeenOrder {
      var object = KubeObject(ClusterKinds.orders, name: "o")
      object["spec"] = try target.map {
        try JSONValue(encoding: KillOrderSpec(target: $0, reason: "x", by: try UserIdentity("sec"), at: Self.now))
      }
      return SeenOrder(object)
    }
    for (target, isMeant) in [
      (nil, true), (.all, true), (.template("t"), true), (.owner(identity.owner), true), (.owner(try UserIdentity("bob")), false),
      (.agent(identity.id), true),
    ] as [(KillOrderSpec.Target?, Bool)] {
      let copy = ClusterCopy(kinds: [])
      _ = copy.orders.put(ObjectKey(name: "o"), try order(target), isListed: false, now: .now)
      #expect(copy.orders(about: unreadable).isEmpty != isMeant, "\(String(describing: target))")
    }
  }
}

@Suite struct WriteMemoryTests {
  private static let member = ClusterCopy.Member(kind: .role, key: ObjectKey(namespace: "n", name: "a"))

  private static func kept(_ version: Int) -> Kept {
    var object = KubeObject(KubernetesManifest.Kind.role.resource, namespace: "n", name: "a")
    object.setMetadata("resourceVersion", .string("\(version)"))
    return Kept(.role, object)
  }

  /// A watch that lags behind must not make an operator write what it wrote already, and a deletion must not be overlooked.
  @Test func theNewerCounts() {
    let memory = WriteMemory()
    #expect(memory.newest(Self.member, told: Self.kept(1)) == Self.kept(1))
    memory.wrote(Self.member, Self.kept(5))
    #expect(memory.newest(Self.member, told: nil) == Self.kept(5))
    memory.told(Self.member, Self.kept(3))
    #expect(memory.newest(Self.member, told: Self.kept(3)) == Self.kept(5))
    memory.told(Self.member, Self.kept(10))
    #expect(memory.newest(Self.member, told: Self.kept(10)) == Self.kept(10))
    memory.wrote(Self.member, Self.kept(12))
    memory.told(Self.member, nil)
    #expect(memory.newest(Self.member, told: nil) == nil)
    // A watch that never tells is not waited for.
    memory.wrote(Self.member, Self.kept(13), now: .now - .seconds(60))
    #expect(memory.newest(Self.member, told: nil) == nil)
  }

  /// A value of a secret is nowhere in the copy, and a change of it is seen.
  @Test func secretsAreKeptAsDigests() {
    func secret(_ value: JSONValue) -> Kept {
      var object = KubeObject(KubernetesManifest.Kind.secret.resource, namespace: "n", name: "a")
      object["data"] = ["token": value]
      return Kept(.secret, object)
    }
    #expect(!"\(secret("czNjcmV0").object)".contains("czNjcmV0"))
    #expect(secret("czNjcmV0") != secret("eA==") && secret("eA==") == secret("eA=="))
  }

  /// Also somebody who knows how values are kept changes none unseen.
  @Test(arguments: [KubernetesManifest.Kind.configMap, .secret]) func aDigestIsNoValue(_ kind: KubernetesManifest.Kind) {
    func kept(_ value: String) -> Kept {
      var object = KubeObject(kind.resource, namespace: "n", name: "a")
      object["data"] = ["ca.crt": .string(value)]
      return Kept(kind, object)
    }
    for value in ["", "short", String(repeating: "c", count: 2_000)] {
      #expect(kept(value) == kept(value))
      #expect(kept(value) != kept(Digest.text(Array(value.utf8))))
      #expect(kept(value) != kept(value + " "))
    }
  }
}
