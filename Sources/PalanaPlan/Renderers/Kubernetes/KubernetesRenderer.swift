package import PalanaCore

/// A plan as the objects of a cluster. Pure; the same inputs give the same objects.
///
/// All stand in a namespace of the agent alone, and the boundary (policies, quota, rights) comes before what runs inside of it.
package struct KubernetesRenderer: Sendable {
  /// Names of the objects: an agent has its namespace for itself.
  package enum Name {
    package static let agent = "agent"
    package static let owner = "agent-owner"
    package static let data = "data"
    package static let authority = "palana-ca"
    package static let vaultAuthority = "palana-vault-ca"
    /// Containers of the platform: one that brings the secrets before the agent starts, one that follows them.
    package static let firstSecrets = "palana-secrets-first"
    package static let secrets = "palana-secrets"
    package static let proxyToken = "palana-proxy"
    package static let defaultDeny = "default-deny"
    package static let paths = "paths"
    package static let peers = "peers"
    package static let waker = "agent-wake"
  }

  let plan: AgentPlan
  let run: AgentRun
  let facts: ClusterFacts
  package let namespace: String

  package init(_ plan: AgentPlan, _ run: AgentRun, _ facts: ClusterFacts) {
    self.plan = plan
    self.run = run
    self.facts = facts
    namespace = AgentNamespace.name(owner: plan.owner, agent: plan.name)
  }

  /// Everything but the proxy token, which no plan holds, in the order in which it is to be applied.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` when the agent cannot run in a cluster as it is.
  package func manifests() throws(PalanaError) -> [KubernetesManifest] {
    // Rights given to such a name would be rights of the cluster's own programs, or of everybody who did not sign in.
    guard !plan.owner.raw.hasPrefix("system:") else {
      throw PalanaError(.invalid, "‘\(plan.owner)’ is a name of the cluster itself and owns no agents")
    }
    let all = boundary() + network() + [try workload()] + access()
    return all.enumerated().sorted { ($0.element.kind, $0.offset) < ($1.element.kind, $1.offset) }.map(\.element)
  }

  /// The secret with which the agent proves who it is at the gateway.
  package func proxyToken(_ token: Redacted<String>) -> Redacted<KubernetesManifest> {
    token.map { token in
      manifest(.secret, Name.proxyToken, ["type": "Opaque", "data": ["token": .string(Base64Text.encoded(Array(token.utf8)))]])
    }
  }

  func manifest(_ kind: KubernetesManifest.Kind, _ name: String, _ body: JSONObject) -> KubernetesManifest {
    KubernetesManifest(kind: kind, namespace: namespace, name: name, labels: AgentLabels.labels(plan), body: body)
  }
}
