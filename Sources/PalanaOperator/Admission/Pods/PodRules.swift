import PalanaCore
import PalanaPlan

/// What a pod in an agent's namespace may be. Pure.
///
/// It says what is refused, member by member, and of volumes and of what containers may do, what alone is allowed.
struct PodRules: Sendable {
  var images: AllowedImages
  /// Whether every pod has a user namespace of its own.
  var hasUserNamespaces: Bool

  /// - Parameters:
  ///   - namespace: of the pod; its last digits are those of the agent.
  ///   - isNew: whether it is created; the scheduler names the node of one that is there.
  func problems(_ pod: JSONValue, in namespace: String, isNew: Bool) -> [FieldError] {
    var problems = PodProblems()
    metadata(pod["metadata"], namespace, &problems)
    let spec = pod["spec"]
    for name in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
      problems.demand(isOff(spec?[name]), "spec.\(name)", "an agent shares nothing with its node or with other containers")
    }
    problems.demand(!hasUserNamespaces || spec?["hostUsers"] == false, "spec.hostUsers", "must be false")
    problems.demand(spec?["automountServiceAccountToken"] == false, "spec.automountServiceAccountToken", "must be false")
    for name in ["serviceAccountName", "serviceAccount"] {
      let account = spec?[name]?.string ?? ""
      problems.demand(
        account == KubernetesRenderer.Name.agent || name == "serviceAccount" && account.isEmpty, "spec.\(name)",
        "must be ‘\(KubernetesRenderer.Name.agent)’")
    }
    problems.demand(!isNew || isAbsent(spec?["nodeName"]), "spec.nodeName", "the scheduler says on which node a pod runs")
    for name in ["hostAliases", "resourceClaims", "runtimeClassName", "hostnameOverride", "setHostnameAsFQDN"] {
      problems.demand(isAbsent(spec?[name]) || isOff(spec?[name]), "spec.\(name)", "not for agents")
    }
    problems.demand(
      !(spec?["priorityClassName"]?.string ?? "").hasPrefix("system-"), "spec.priorityClassName",
      "not a priority of the cluster’s own programs")
    problems.demand(
      ["", "linux"].contains(spec?["os"]?["name"]?.string ?? ""), "spec.os", "agents run on Linux")
    placement(spec, &problems)
    security(spec?["securityContext"], "spec.securityContext", isPod: true, &problems)
    for (index, volume) in (spec?["volumes"]?.array ?? []).enumerated() {
      VolumeRules.check(volume, "spec.volumes[\(index)]", &problems)
    }
    let containers = ContainerRules(images: images, pod: spec?["securityContext"])
    for kind in ["initContainers", "containers", "ephemeralContainers"] {
      for (index, container) in (spec?[kind]?.array ?? []).enumerated() {
        containers.check(container, "spec.\(kind)[\(index)]", &problems)
      }
    }
    return problems.list
  }

  /// The labels say which agent a pod is, also to the policies of other agents.
  private func metadata(_ metadata: JSONValue?, _ namespace: String, _ problems: inout PodProblems) {
    if let id = metadata?["labels"]?[AgentLabels.agentID]?.string {
      problems.demand(
        namespace.utf8.count > id.utf8.count && namespace.hasSuffix("-\(id)"), "metadata.labels[\(AgentLabels.agentID)]",
        "is another agent’s")
    }
    for name in metadata?["annotations"]?.object?.keys ?? [] {
      let isProfile = [
        "container.apparmor.security.beta.kubernetes.io/", "seccomp.security.alpha.kubernetes.io/",
        "container.seccomp.security.alpha.kubernetes.io/",
      ]
      .contains { ExactText.hasPrefix(name, $0) }
      problems.demand(!isProfile, "metadata.annotations[\(name)]", "the runtime’s profile stays as it is")
    }
  }

  private static let controlPlane = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"]

  private func placement(_ spec: JSONValue?, _ problems: inout PodProblems) {
    for (index, toleration) in (spec?["tolerations"]?.array ?? []).enumerated() {
      let key = toleration["key"]?.string ?? ""
      problems.demand(
        !key.isEmpty && !Self.controlPlane.contains(key), "spec.tolerations[\(index)]", "agents do not run on the control plane’s nodes")
    }
    for name in spec?["nodeSelector"]?.object?.keys ?? [] {
      problems.demand(!Self.controlPlane.contains(name), "spec.nodeSelector", "agents do not run on the control plane’s nodes")
    }
  }

  /// What a pod and a container say in the same words.
  static func security(_ context: JSONValue?, _ path: String, _ problems: inout PodProblems) {
    problems.demand(
      context?["runAsNonRoot"].map { $0 == true || $0 == .null } ?? true, "\(path).runAsNonRoot", "an agent is not root")
    for name in ["runAsUser", "runAsGroup", "fsGroup"] {
      problems.demand(isOrdinary(context?[name]), "\(path).\(name)", "an agent is not root")
    }
    let seccomp = context?["seccompProfile"]
    problems.demand(
      isAbsent(seccomp) || seccomp?["type"] == "RuntimeDefault", "\(path).seccompProfile", "must be RuntimeDefault")
    let armor = context?["appArmorProfile"]
    problems.demand(isAbsent(armor) || armor?["type"] == "RuntimeDefault", "\(path).appArmorProfile", "must be RuntimeDefault")
    for name in ["seLinuxOptions", "windowsOptions"] {
      problems.demand(isAbsent(context?[name]), "\(path).\(name)", "not for agents")
    }
  }

  private func security(_ context: JSONValue?, _ path: String, isPod: Bool, _ problems: inout PodProblems) {
    Self.security(context, path, &problems)
    problems.demand(isAbsent(context?["sysctls"]), "\(path).sysctls", "not for agents")
    let groups = context?["supplementalGroups"]
    problems.demand(
      isAbsent(groups) || groups?.array?.allSatisfy { isOrdinary($0) } == true, "\(path).supplementalGroups", "an agent is not root")
  }
}

/// Absent, `null`, empty: nothing was asked for.
func isAbsent(_ value: JSONValue?) -> Bool {
  switch value {
  case nil, .null?, .string("")?, .array([])?: true
  case .object(let members)?: members.isEmpty
  case .bool?, .number?, .string?, .array?: false
  }
}

func isOff(_ value: JSONValue?) -> Bool { value == nil || value == .null || value == false }

/// A user or a group that is not root's; absent is judged elsewhere.
func isOrdinary(_ value: JSONValue?) -> Bool {
  guard let value, value != .null else { return true }
  return value.int.map { $0 >= 1 && $0 <= Int(Int32.max) } ?? false
}

/// Collects what is wrong with a pod.
struct PodProblems {
  private(set) var list: [FieldError] = []

  mutating func demand(_ condition: Bool, _ path: String, _ message: @autoclosure () -> String) {
    if !condition { list.append(FieldError(path, message())) }
  }
}
