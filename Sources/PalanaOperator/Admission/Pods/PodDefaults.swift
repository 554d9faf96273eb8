import PalanaCore
import PalanaPlan

/// What a pod in an agent's namespace gets where it says nothing. Pure, and nothing happens the second time.
///
/// It is what the renderer writes for the operator's own pods, so that these pass as they are. What somebody wrote is never replaced: what
/// must not be is refused by ``PodRules``, so that they learn of it.
struct PodDefaults: Sendable {
  var userID: Int
  var hasUserNamespaces: Bool
  var platform: PlatformFacts

  /// Where the API server puts the token of a service account, before any webhook is asked.
  private static let tokenFolder = "/var/run/secrets/kubernetes.io/serviceaccount"
  private static let authority = "authority"
  private static let temporary = "tmp"

  func completed(_ pod: JSONValue) -> JSONValue {
    guard var members = pod.object, var spec = pod["spec"]?.object else { return pod }
    account(&spec)
    spec["enableServiceLinks"] = false
    if hasUserNamespaces, isAbsent(spec["hostUsers"]) { spec["hostUsers"] = false }
    spec["securityContext"] = security(spec["securityContext"])
    var volumes = (spec["volumes"]?.array ?? []).map(bounded)
    let names = Set(volumes.compactMap { $0["name"]?.string })
    if !names.contains(Self.authority) {
      volumes.append(["name": .string(Self.authority), "configMap": ["name": .string(KubernetesRenderer.Name.authority)]])
    }
    var needsTemporary = false
    for kind in ["initContainers", "containers"] {
      guard let containers = spec[kind]?.array, !containers.isEmpty else { continue }
      spec[kind] = .array(containers.map { container($0, &needsTemporary) })
    }
    if needsTemporary, !names.contains(Self.temporary) {
      volumes.append(["name": .string(Self.temporary), "emptyDir": ["medium": "Memory", "sizeLimit": "64Mi"]])
    }
    spec["volumes"] = .array(volumes)
    members["spec"] = .object(spec)
    return .object(members)
  }

  /// The account of the namespace, without a token: the API server has given one already to a pod that did not say no.
  private func account(_ spec: inout JSONObject) {
    if ["", "default"].contains(spec["serviceAccountName"]?.string ?? "") {
      spec["serviceAccountName"] = .string(KubernetesRenderer.Name.agent)
      if spec["serviceAccount"] != nil { spec["serviceAccount"] = .string(KubernetesRenderer.Name.agent) }
    }
    guard spec["automountServiceAccountToken"] == nil || spec["automountServiceAccountToken"] == .null else { return }
    spec["automountServiceAccountToken"] = false
    let given = (spec["volumes"]?.array ?? []).filter {
      ($0["name"]?.string ?? "").hasPrefix("kube-api-access-") && $0["projected"] != nil
    }.compactMap { $0["name"]?.string }
    guard !given.isEmpty else { return }
    spec["volumes"] = .array((spec["volumes"]?.array ?? []).filter { !given.contains($0["name"]?.string ?? "") })
    for kind in ["initContainers", "containers"] {
      guard let containers = spec[kind]?.array else { continue }
      spec[kind] = .array(
        containers.map { container in
          guard var members = container.object, let mounts = members["volumeMounts"]?.array else { return container }
          members["volumeMounts"] = .array(
            mounts.filter { !(given.contains($0["name"]?.string ?? "") && $0["mountPath"]?.string == Self.tokenFolder) })
          return .object(members)
        })
    }
  }

  private func security(_ context: JSONValue?) -> JSONValue {
    var context = context?.object ?? JSONObject()
    let user = JSONValue.int(userID)
    if isAbsent(context["fsGroup"]) {
      context["fsGroup"] = user
      if isAbsent(context["fsGroupChangePolicy"]) { context["fsGroupChangePolicy"] = "OnRootMismatch" }
    }
    for (name, value) in [("runAsNonRoot", true), ("runAsUser", user), ("runAsGroup", user)] as [(String, JSONValue)]
    where isAbsent(context[name]) { context[name] = value }
    if isAbsent(context["seccompProfile"]) { context["seccompProfile"] = ["type": "RuntimeDefault"] }
    return .object(context)
  }

  /// A folder on the node's disk ends somewhere.
  private func bounded(_ volume: JSONValue) -> JSONValue {
    guard var members = volume.object, var folder = members["emptyDir"]?.object, isAbsent(folder["sizeLimit"]) else { return volume }
    folder["sizeLimit"] = folder["medium"] == "Memory" ? "64Mi" : "1Gi"
    members["emptyDir"] = .object(folder)
    return .object(members)
  }

  private func container(_ container: JSONValue, _ needsTemporary: inout Bool) -> JSONValue {
    guard var members = container.object else { return container }
    var context = members["securityContext"]?.object ?? JSONObject()
    for (name, value) in [("allowPrivilegeEscalation", false), ("readOnlyRootFilesystem", true)] as [(String, JSONValue)]
    where isAbsent(context[name]) { context[name] = value }
    var capabilities = context["capabilities"]?.object ?? JSONObject()
    if isAbsent(capabilities["drop"]) { capabilities["drop"] = ["ALL"] }
    context["capabilities"] = .object(capabilities)
    members["securityContext"] = .object(context)
    members["env"] = .array(environment(members["env"]?.array ?? []))
    var mounts = members["volumeMounts"]?.array ?? []
    let paths = Set(mounts.compactMap { $0["mountPath"]?.string })
    for mount in KubernetesRenderer.authorityMounts where !paths.contains(mount["mountPath"]?.string ?? "") { mounts.append(mount) }
    if !paths.contains("/tmp") {
      mounts.append(["name": .string(Self.temporary), "mountPath": "/tmp"])
      needsTemporary = true
    }
    members["volumeMounts"] = .array(mounts)
    return .object(members)
  }

  /// Where the gateway is and whom to trust. Whose agent it is stands in the password, which only the operator knows.
  private func environment(_ written: [JSONValue]) -> [JSONValue] {
    let names = Set(written.compactMap { $0["name"]?.string })
    var all = written
    if !names.contains(KubernetesRenderer.proxyTokenVariable) { all.insert(KubernetesRenderer.proxyTokenSource, at: 0) }
    for (name, value) in AgentEnvironment.ways(user: "agent", platform).sorted(by: { $0.key < $1.key }) where !names.contains(name) {
      all.append(["name": .string(name), "value": .string(KubernetesRenderer.filled(value))])
    }
    return all
  }
}
