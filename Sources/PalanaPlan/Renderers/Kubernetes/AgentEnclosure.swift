package import PalanaCore

/// What of an agent's boundary follows from who the agent is, and needs no plan: its namespace, that nothing goes in or out, an account
/// without a token, and what the owner may do.
package struct AgentEnclosure: Sendable {
  let owner: UserIdentity
  let name: ResourceName
  let uid: String
  /// Namespace and name of the `Agent`.
  let source: String

  package init(owner: UserIdentity, name: ResourceName, uid: String, source: String) {
    self.owner = owner
    self.name = name
    self.uid = uid
    self.source = source
  }

  private var id: AgentID { AgentID(owner: owner, name: name) }
  private var namespace: String { AgentNamespace.name(owner: owner, agent: name) }
  private var labels: [String: String] { AgentLabels.labels(owner: owner, name: name) }

  /// In the order in which they are applied.
  package func manifests() -> [KubernetesManifest] { [space(), nothing(), account(), role(), binding()] }

  func space() -> KubernetesManifest {
    var manifest = KubernetesManifest(kind: .namespace, namespace: nil, name: namespace, labels: labels, body: [:])
    for mode in ["enforce", "warn", "audit"] {
      manifest.labels["pod-security.kubernetes.io/\(mode)"] = "restricted"
      manifest.labels["pod-security.kubernetes.io/\(mode)-version"] = "latest"
    }
    manifest.annotations = [AgentLabels.owner: owner.raw, AgentLabels.agentUID: uid, AgentLabels.source: source]
    return manifest
  }

  /// The policy beside which others open exact paths.
  package func nothing() -> KubernetesManifest {
    manifest(
      .networkPolicy, KubernetesRenderer.Name.defaultDeny, ["spec": ["podSelector": [:], "policyTypes": ["Ingress", "Egress"]]])
  }

  func account() -> KubernetesManifest {
    manifest(.serviceAccount, KubernetesRenderer.Name.agent, ["automountServiceAccountToken": false])
  }

  /// What an owner may do with their own agent: see it and work inside of it. Whoever could write here could write the policies.
  func role() -> KubernetesManifest {
    manifest(
      .role, KubernetesRenderer.Name.owner,
      [
        "rules": [
          ["apiGroups": [""], "resources": ["pods", "pods/log", "events"], "verbs": ["get", "list", "watch"]],
          ["apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create", "get"]],
          ["apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["get", "list", "watch"]],
        ]
      ])
  }

  func binding() -> KubernetesManifest {
    let group: JSONValue = "rbac.authorization.k8s.io"
    return manifest(
      .roleBinding, KubernetesRenderer.Name.owner,
      [
        "roleRef": ["apiGroup": group, "kind": "Role", "name": .string(KubernetesRenderer.Name.owner)],
        "subjects": [["apiGroup": group, "kind": "User", "name": .string(owner.raw)]],
      ])
  }

  private func manifest(_ kind: KubernetesManifest.Kind, _ name: String, _ body: JSONObject) -> KubernetesManifest {
    KubernetesManifest(kind: kind, namespace: namespace, name: name, labels: labels, body: body)
  }
}
