import PalanaAPI
package import PalanaCore

extension KubernetesRenderer {
  /// Where the authority is in the pod, in a folder that follows a change.
  package static let authorityFolder = "/etc/palana"
  package static let proxyTokenVariable = "PALANA_PROXY_TOKEN"

  /// The variable with the password at the gateway, from the secret beside the pod.
  package static let proxyTokenSource: JSONValue = [
    "name": .string(proxyTokenVariable), "valueFrom": ["secretKeyRef": ["name": .string(Name.proxyToken), "key": "token"]],
  ]

  /// The mounts of the volume `authority`.
  package static let authorityMounts: [JSONValue] = [
    ["name": "authority", "mountPath": .string(authorityFolder), "readOnly": true],
    // Where programs look that read no variable.
    ["name": "authority", "mountPath": "/etc/ssl/certs/ca-certificates.crt", "subPath": "ca.crt", "readOnly": true],
  ]

  /// One pod or none.
  func workload() throws(PalanaError) -> KubernetesManifest {
    var labels = AgentLabels.labels(plan)
    labels[AgentLabels.owner] = nil
    var manifest = manifest(
      .statefulSet, Name.agent,
      [
        "spec": [
          "replicas": .int(run.isWanted ? 1 : 0), "serviceName": .string(Name.agent),
          // With the other policy a pod that never gets ready is never replaced by a better one.
          "podManagementPolicy": "Parallel",
          "selector": ["matchLabels": .texts([AgentLabels.agentID: plan.id.text])],
          "template": [
            "metadata": ["labels": .texts(labels), "annotations": .texts([AgentLabels.run: "\(run.number)"])],
            "spec": try pod(),
          ],
        ]
      ])
    if let ended = run.ended { manifest.annotations[AgentLabels.endedRun] = "\(ended)" }
    return manifest
  }

  private func pod() throws(PalanaError) -> JSONValue {
    let user = JSONValue.int(facts.userID)
    return [
      "serviceAccountName": .string(Name.agent), "automountServiceAccountToken": false, "enableServiceLinks": false,
      "restartPolicy": "Always", "terminationGracePeriodSeconds": .int(plan.graceSeconds),
      "hostNetwork": .null, "hostPID": .null, "hostIPC": .null, "shareProcessNamespace": .null, "initContainers": platformContainers,
      "hostUsers": facts.hasUserNamespaces ? false : .null, "nodeName": .null, "hostAliases": .null,
      "securityContext": [
        "runAsNonRoot": true, "runAsUser": user, "runAsGroup": user, "fsGroup": user, "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": ["type": "RuntimeDefault"], "supplementalGroups": .null, "sysctls": .null,
      ],
      "containers": [try container()], "volumes": .array(volumes),
    ]
  }

  private func container() throws(PalanaError) -> JSONValue {
    var container: JSONObject = ["name": .string(Name.agent), "image": .string(try image())]
    if !plan.process.args.isEmpty { container["command"] = .array(plan.process.args.map { .string(Self.literal($0)) }) }
    let folder = plan.process.workingDirectory
    container["workingDir"] = .string(folder.isEmpty ? AgentEnvironment.home : folder)
    container["env"] = .array(environment())
    container["envFrom"] = .null
    container["lifecycle"] = .null
    container["resources"] = [
      "limits": [
        "cpu": .string(ResourceAmount.milli(plan.limits.cpuMilli)), "memory": .string(ResourceAmount.bytes(plan.limits.memoryBytes)),
      ], "requests": requests,
    ]
    container["securityContext"] = Self.confinement
    if !plan.ports.isEmpty {
      container["ports"] = .array(plan.ports.map { ["containerPort": .int($0.port), "protocol": "TCP", "hostPort": .null] })
    }
    container["volumeMounts"] = .array(mounts)
    return .object(container)
  }

  private func image() throws(PalanaError) -> String {
    switch plan.rootfs {
    case .host:
      guard let image = facts.hostImage else {
        throw PalanaError(
          .invalid, "the image ‘host’ is a machine’s own programs, which a cluster does not have",
          hint: "name an image in the agent or its template, or hostImage in the operator’s configuration")
      }
      return image
    case .image(let reference):
      guard !reference.hasPrefix("oci:"), !reference.hasPrefix("oci-archive:") else {
        throw PalanaError(
          .invalid, "‘\(reference)’ is a file of one machine", hint: "a cluster takes images from a registry")
      }
      return reference
    }
  }

  /// The token first: what comes later may refer to it.
  private func environment() -> [JSONValue] {
    let rest = plan.process.env.sorted { $0.key < $1.key }.map { name, value -> JSONValue in
      ["name": .string(name), "value": .string(Self.filled(value))]
    }
    return [Self.proxyTokenSource] + rest
  }

  /// A value of the environment as the kubelet reads it: with the password in place of its mark.
  package static func filled(_ value: String) -> String {
    value.split(separator: AgentEnvironment.proxyTokenMark, omittingEmptySubsequences: false)
      .map { literal(String($0)) }.joined(separator: "$(\(proxyTokenVariable))")
  }

  /// So that the kubelet, which replaces `$(NAME)`, leaves a text as it is: `$$` is a dollar to it.
  static func literal(_ text: String) -> String {
    var result: [UInt8] = []
    let bytes = Array(text.utf8)
    for (index, byte) in bytes.enumerated() {
      result.append(byte)
      guard byte == UInt8(ascii: "$"), index + 1 < bytes.count else { continue }
      if bytes[index + 1] == UInt8(ascii: "$") || bytes[index + 1] == UInt8(ascii: "(") { result.append(byte) }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private var volumes: [JSONValue] {
    // Pages in memory count as the agent's own; the size only keeps one of them from taking all of it.
    let half = max(plan.limits.memoryBytes / 2, 1 << 20)
    return [
      ["name": "data", "persistentVolumeClaim": ["claimName": .string(Name.data)]],
      ["name": "authority", "configMap": ["name": .string(Name.authority)]],
      ["name": "tmp", "emptyDir": ["medium": "Memory", "sizeLimit": .string(ResourceAmount.bytes(half))]],
      ["name": "run", "emptyDir": ["medium": "Memory", "sizeLimit": .string(ResourceAmount.bytes(min(half, 64 << 20)))]],
    ] + secretVolumes
  }

  private var mounts: [JSONValue] {
    [
      ["name": "data", "mountPath": .string(AgentEnvironment.home)]
    ] + Self.authorityMounts + [["name": "tmp", "mountPath": "/tmp"], ["name": "run", "mountPath": "/run"]] + secretMounts
  }
}
