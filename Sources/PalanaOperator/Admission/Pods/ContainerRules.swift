import PalanaCore
import PalanaPlan

/// What a container of an agent's pod may be, of whatever kind it is.
struct ContainerRules: Sendable {
  var images: AllowedImages
  /// The pod's security context, which a container takes over where it says nothing.
  var pod: JSONValue?

  func check(_ container: JSONValue, _ path: String, _ problems: inout PodProblems) {
    let image = container["image"]?.string ?? ""
    problems.demand(images.allows(image), "\(path).image", images.sentence(image))
    for (index, port) in (container["ports"]?.array ?? []).enumerated() {
      problems.demand(
        isAbsent(port["hostPort"]) || port["hostPort"]?.int == 0, "\(path).ports[\(index)].hostPort", "an agent has no port of its node")
      problems.demand(isAbsent(port["hostIP"]), "\(path).ports[\(index)].hostIP", "an agent has no address of its node")
    }
    problems.demand(isAbsent(container["volumeDevices"]), "\(path).volumeDevices", "not for agents")
    problems.demand(isAbsent(container["resources"]?["claims"]), "\(path).resources.claims", "not for agents")
    security(container["securityContext"], "\(path).securityContext", &problems)
    sources(container, path, &problems)
    probes(container, path, &problems)
  }

  private func security(_ context: JSONValue?, _ path: String, _ problems: inout PodProblems) {
    PodRules.security(context, path, &problems)
    problems.demand(isOff(context?["privileged"]), "\(path).privileged", "an agent is never privileged")
    problems.demand(context?["allowPrivilegeEscalation"] == false, "\(path).allowPrivilegeEscalation", "must be false")
    problems.demand(context?["readOnlyRootFilesystem"] == true, "\(path).readOnlyRootFilesystem", "must be true")
    problems.demand(isAbsent(context?["capabilities"]?["add"]), "\(path).capabilities.add", "an agent has no capabilities")
    let dropped = context?["capabilities"]?["drop"]?.array ?? []
    problems.demand(dropped.contains("ALL"), "\(path).capabilities.drop", "must have ALL")
    problems.demand(
      isAbsent(context?["procMount"]) || context?["procMount"] == "Default", "\(path).procMount", "must be Default")
    // Of the pod or of the container, the nearer counts.
    let isOrdinaryUser = [context, pod].compactMap { $0?["runAsUser"] }.first.map { isOrdinary($0) && $0 != .null } ?? false
    let isNonRoot = [context, pod].compactMap { $0?["runAsNonRoot"] }.first == true
    problems.demand(isOrdinaryUser, "\(path).runAsUser", "required here or for the pod, and not 0")
    problems.demand(isNonRoot, "\(path).runAsNonRoot", "must be true here or for the pod")
    let seccomp = [context, pod].compactMap { $0?["seccompProfile"] }.first
    problems.demand(seccomp?["type"] == "RuntimeDefault", "\(path).seccompProfile", "must be RuntimeDefault here or for the pod")
  }

  /// Where its environment comes from: an agent reads no secret but those that the platform gives it.
  private func sources(_ container: JSONValue, _ path: String, _ problems: inout PodProblems) {
    for (index, variable) in (container["env"]?.array ?? []).enumerated() {
      for (source, name) in Self.references(variable["valueFrom"]) {
        problems.demand(
          AgentObjects.isOwn(source, name), "\(path).env[\(index)].valueFrom.\(source)", "only what the platform has made for the agent")
      }
    }
    for (index, source) in (container["envFrom"]?.array ?? []).enumerated() {
      for (kind, name) in Self.references(source) {
        problems.demand(
          AgentObjects.isOwn(kind, name), "\(path).envFrom[\(index)].\(kind)", "only what the platform has made for the agent")
      }
    }
  }

  private static func references(_ value: JSONValue?) -> [(String, String)] {
    ["secretKeyRef", "configMapKeyRef", "secretRef", "configMapRef"].compactMap { kind in
      value?[kind].flatMap { isAbsent($0) ? nil : (kind, $0["name"]?.string ?? "") }
    }
  }

  /// The kubelet asks from the node's own network, to which no policy of the agent applies.
  private func probes(_ container: JSONValue, _ path: String, _ problems: inout PodProblems) {
    var places: [(String, JSONValue?)] = ["livenessProbe", "readinessProbe", "startupProbe"].map { ($0, container[$0]) }
    places += ["postStart", "preStop"].map { ("lifecycle.\($0)", container["lifecycle"]?[$0]) }
    for (name, place) in places {
      for kind in ["httpGet", "tcpSocket"] {
        problems.demand(
          isAbsent(place?[kind]?["host"]), "\(path).\(name).\(kind).host", "the node asks nobody but the agent itself")
      }
    }
  }
}
