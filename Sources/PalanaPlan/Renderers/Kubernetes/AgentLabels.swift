import PalanaCore

/// The labels and annotations by which objects in a cluster are known to be an agent's.
package enum AgentLabels {
  package static let managedBy = "app.kubernetes.io/managed-by"
  package static let manager = "palana"
  package static let agent = "palana.dev/agent"
  package static let agentID = "palana.dev/agent-id"
  /// As a label the owner's sanitized name, for people; as an annotation the raw identity, which decides.
  package static let owner = "palana.dev/owner"
  package static let agentUID = "palana.dev/agent-uid"
  /// Namespace and name of the `Agent`.
  package static let source = "palana.dev/source"
  /// On the pod: which of the agent's explicit starts it is.
  package static let run = "palana.dev/run"
  /// On the workload: the explicit start that came to its end, so that it is not started again by itself.
  package static let endedRun = "palana.dev/ended-run"

  /// Who keeps an `EndpointSlice`. The cluster gives its own ones the labels of their service, so also ours.
  package static let sliceManager = "endpointslice.kubernetes.io/managed-by"

  /// Selects everything that is made for agents.
  package static let selector = "\(managedBy)=\(manager),\(agentID)"
  /// Every namespace says its own name in this label, and nobody can change it.
  static let namespaceName = "kubernetes.io/metadata.name"

  static func labels(_ plan: AgentPlan) -> [String: String] { labels(owner: plan.owner, name: plan.name) }

  static func labels(owner identity: UserIdentity, name: ResourceName) -> [String: String] {
    [
      managedBy: manager, agent: name.text, agentID: AgentID(owner: identity, name: name).text,
      owner: SanitizedName(sanitizing: identity.raw).text,
    ]
  }
}
