import PalanaPlan

/// What of ``PodRules`` the API server checks by itself.
enum PodPolicy {
  static let variables: [(name: String, expression: String)] = [
    (
      "containers",
      "object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []) + "
        + "(has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers : [])"
    ),
    ("volumes", "has(object.spec.volumes) ? object.spec.volumes : []"),
    ("context", "has(object.spec.securityContext) ? object.spec.securityContext : {}"),
  ]

  static let checks: [(String, String)] = [
    (
      "!has(request.subResource) || request.subResource != 'ephemeralcontainers' || variables.isEngine",
      "nobody but the operator puts a container into an agent’s pod"
    ),
    (
      ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"].map { "(!has(object.spec.\($0)) || !object.spec.\($0))" }
        .joined(separator: " && "), "an agent shares nothing with its node"
    ),
    (
      "has(object.spec.automountServiceAccountToken) && !object.spec.automountServiceAccountToken",
      "spec.automountServiceAccountToken must be false"
    ),
    (
      "has(object.spec.serviceAccountName) && object.spec.serviceAccountName == \(CELText.literal(KubernetesRenderer.Name.agent))",
      "spec.serviceAccountName must be ‘\(KubernetesRenderer.Name.agent)’"
    ),
    (
      "variables.volumes.all(v, has(v.emptyDir) || has(v.downwardAPI) || "
        + "has(v.persistentVolumeClaim) && v.persistentVolumeClaim.claimName == \(CELText.literal(KubernetesRenderer.Name.data)) || "
        + "has(v.configMap) && has(v.configMap.name) && v.configMap.name.startsWith('palana-') || "
        + "has(v.secret) && has(v.secret.secretName) && v.secret.secretName.startsWith('palana-') || "
        + "has(v.projected) && (!has(v.projected.sources) || v.projected.sources.all(s, !has(s.serviceAccountToken) || "
        + "has(s.serviceAccountToken.audience) && s.serviceAccountToken.audience in \(CELText.list(AgentObjects.audiences.sorted())))))",
      "volumes: only emptyDir and what the platform has made for the agent"
    ),
    (user("variables.context"), "an agent is not root"),
    (context("!has(c.securityContext.privileged) || !c.securityContext.privileged"), "an agent is never privileged"),
    (
      "variables.containers.all(c, has(c.securityContext) && has(c.securityContext.allowPrivilegeEscalation) && "
        + "!c.securityContext.allowPrivilegeEscalation)", "allowPrivilegeEscalation must be false"
    ),
    (
      context(
        "!has(c.securityContext.capabilities) || !has(c.securityContext.capabilities.add) || c.securityContext.capabilities.add.size() == 0"
      ),
      "an agent has no capabilities"
    ),
    (context("!has(c.securityContext.procMount) || c.securityContext.procMount == 'Default'"), "procMount must be Default"),
    (context(user("c.securityContext")), "an agent is not root"),
    (
      "variables.containers.all(c, !has(c.ports) || c.ports.all(p, !has(p.hostPort) || p.hostPort == 0))",
      "an agent has no port of its node"
    ),
    ("!has(variables.context.sysctls) || variables.context.sysctls.size() == 0", "an agent sets nothing in the kernel"),
  ]

  /// For each container that has a security context.
  private static func context(_ check: String) -> String { "variables.containers.all(c, !has(c.securityContext) || (\(check)))" }

  private static func user(_ context: String) -> String {
    "(!has(\(context).runAsUser) || \(context).runAsUser > 0) && (!has(\(context).runAsNonRoot) || \(context).runAsNonRoot) && "
      + "(!has(\(context).seccompProfile) || \(context).seccompProfile.type == 'RuntimeDefault')"
  }
}
