package import PalanaKube
package import PalanaPlan

/// The kinds that the operator reads and writes, as the API server addresses them.
package enum ClusterKinds {
  package static let agents = palana("agents", "Agent")
  package static let rules = palana("peeringrules", "PeeringRule")
  package static let bindings = palana("secretbindings", "SecretBinding")
  package static let templates = palana("agenttemplates", "AgentTemplate", isNamespaced: false)
  package static let policies = palana("egresspolicies", "EgressPolicy", isNamespaced: false)
  package static let budgets = palana("llmbudgets", "LLMBudget", isNamespaced: false)
  package static let orders = palana("killorders", "KillOrder", isNamespaced: false)
  package static let pods = KubeResource("", "v1", "pods", kind: "Pod")
  static let events = AgentEvent.resource

  private static func palana(_ plural: String, _ kind: String, isNamespaced: Bool = true) -> KubeResource {
    KubeResource("palana.dev", "v1alpha1", plural, kind: kind, isNamespaced: isNamespaced)
  }
}

extension KubernetesManifest.Kind {
  package var resource: KubeResource {
    let parts = apiVersion.split(separator: "/")
    let group = parts.count == 2 ? String(parts[0]) : ""
    return KubeResource(group, String(parts.last ?? ""), plural, kind: rawValue, isNamespaced: self != .namespace)
  }

  private var plural: String {
    switch self {
    case .networkPolicy: "networkpolicies"
    case .ciliumNetworkPolicy: "ciliumnetworkpolicies"
    case .ingress: "ingresses"
    case .namespace, .resourceQuota, .limitRange, .serviceAccount, .role, .roleBinding, .configMap, .secret, .persistentVolumeClaim,
      .service, .endpointSlice, .statefulSet, .httpRoute:
      rawValue.lowercased() + "s"
    }
  }
}
