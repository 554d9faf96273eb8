import PalanaAPI
import PalanaCore
import PalanaPlan

@testable import PalanaOperator

/// A pod as the operator's own workload makes it, with what the API server adds before it asks anybody.
enum OwnPod {
  static let owner = "alice@example.com"

  static func namespace() throws -> String { try TestCluster.namespace(of: "demo", owner: owner) }

  static func pod(_ facts: ClusterFacts? = nil, bindings: [SecretBinding] = []) throws -> JSONValue {
    let configuration = try TestCluster.configuration()
    let agent = Agent(
      metadata: ObjectMeta(name: try ResourceName("demo"), uid: "u-1"),
      spec: AgentSpec(owner: try UserIdentity(owner), image: "registry.example.com/agents/demo:1", command: ["serve"]))
    let plan = try Planner.plan(agent: agent, template: nil, bindings: bindings, allocation: nil, platform: configuration.platform)
    let renderer = KubernetesRenderer(plan, AgentRun(isWanted: true, source: "people/demo"), facts ?? configuration.cluster)
    let workload = try renderer.manifests().first { $0.kind == .statefulSet }?.json
    guard var metadata = workload?["spec"]?["template"]?["metadata"]?.object, var spec = workload?["spec"]?["template"]?["spec"]?.object
    else {
      throw PalanaError(.failed, "there is no workload")
    }
    metadata["name"] = "agent-0"
    metadata["namespace"] = .string(renderer.namespace)
    let defaults: JSONObject = [
      "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "serviceAccount": "agent", "hostname": "agent-0",
      "subdomain": "agent", "preemptionPolicy": "PreemptLowerPriority", "priority": 0,
      "tolerations": [
        ["key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300],
        ["key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300],
      ],
    ]
    for (name, value) in defaults { spec[name] = value }
    return ["apiVersion": "v1", "kind": "Pod", "metadata": .object(metadata), "spec": .object(spec)]
  }

  static func rules(images: [String] = [], hasUserNamespaces: Bool = false) throws -> PodRules {
    PodRules(images: try AllowedImages(prefixes: images), hasUserNamespaces: hasUserNamespaces)
  }

  static func defaults() throws -> PodDefaults {
    let configuration = try TestCluster.configuration()
    return PodDefaults(userID: configuration.cluster.userID, hasUserNamespaces: false, platform: configuration.platform)
  }
}

extension JSONValue {
  /// The same with another value at a path such as `spec.containers[0].image`; what is missing on the way is made. Nil takes it away.
  func setting(_ path: String, _ value: JSONValue?) -> JSONValue {
    var steps: [String] = []
    for part in path.split(separator: ".") {
      let pieces = part.split(separator: "[")
      steps.append(String(pieces[0]))
      steps += pieces.dropFirst().map { "[" + $0 }
    }
    return setting(steps[...], value) ?? .null
  }

  private func setting(_ steps: ArraySlice<String>, _ value: JSONValue?) -> JSONValue? {
    guard let step = steps.first else { return value }
    let rest = steps.dropFirst()
    if step.hasPrefix("["), let index = Int(step.dropFirst().dropLast()) {
      var elements = array ?? []
      while elements.count <= index { elements.append([:]) }
      elements[index] = elements[index].setting(rest, value) ?? .null
      return .array(elements)
    }
    var members = object ?? JSONObject()
    members[step] = (members[step] ?? .object(JSONObject())).setting(rest, value)
    return .object(members)
  }
}
