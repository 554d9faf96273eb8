import PalanaCore
import PalanaPlan

/// What an agent's pod may mount: memory, its own storage, what the platform has made for it.
enum VolumeRules {
  static func check(_ volume: JSONValue, _ path: String, _ problems: inout PodProblems) {
    for (kind, source) in volume.object ?? JSONObject() where kind != "name" && !(source == .null) {
      switch kind {
      case "emptyDir": break
      case "persistentVolumeClaim", "configMap", "secret":
        let name = source["claimName"]?.string ?? source["secretName"]?.string ?? source["name"]?.string ?? ""
        problems.demand(AgentObjects.isOwn(kind, name), "\(path).\(kind)", "only what the platform has made for the agent")
      case "projected": projected(source, "\(path).projected", &problems)
      case "downwardAPI": break
      default:
        problems.demand(false, "\(path).\(kind)", "only emptyDir and what the platform has made for the agent")
      }
    }
    // Without a source it is an emptyDir.
  }

  private static func projected(_ volume: JSONValue, _ path: String, _ problems: inout PodProblems) {
    for (index, source) in (volume["sources"]?.array ?? []).enumerated() {
      for (kind, value) in source.object ?? JSONObject() where value != .null {
        let place = "\(path).sources[\(index)].\(kind)"
        switch kind {
        case "secret", "configMap":
          problems.demand(
            AgentObjects.isOwn(kind, value["name"]?.string ?? ""), place, "only what the platform has made for the agent")
        case "downwardAPI": break
        case "serviceAccountToken":
          // Of the API server's own audience it would be a key to the cluster.
          problems.demand(
            AgentObjects.audiences.contains(value["audience"]?.string ?? ""), place, "an agent has no token of the cluster")
        default: problems.demand(false, place, "only what the platform has made for the agent")
        }
      }
    }
  }
}

/// The objects beside an agent's pod that are meant for it.
enum AgentObjects {
  /// Audiences of tokens that an agent may have: those of the secret store, where it reads its own secrets.
  static let audiences: Set<String> = ["vault", "openbao"]

  /// - Parameter kind: the member that names it, such as `secretKeyRef`.
  static func isOwn(_ kind: String, _ name: String) -> Bool {
    switch kind {
    case "persistentVolumeClaim": name == KubernetesRenderer.Name.data
    case "configMap", "configMapKeyRef", "configMapRef": ExactText.hasPrefix(name, platform)
    case "secret", "secretKeyRef": ExactText.hasPrefix(name, platform)
    default: false
    }
  }

  /// What the names of the platform's own objects in an agent's namespace begin with.
  private static let platform = "palana-"
}
