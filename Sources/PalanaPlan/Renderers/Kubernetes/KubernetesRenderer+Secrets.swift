import PalanaCore

/// The files of the secrets that an agent reads itself: the platform's own containers put them into a folder in memory, which the agent's
/// container has read-only. They alone have the token for the secret store.
extension KubernetesRenderer {
  /// What such a container gets: it counts beside what the agent may have.
  enum Platform {
    static let cpuMilli: Int64 = 200
    static let memoryBytes: Int64 = 128 << 20
  }

  private enum Folder {
    static let token = "/vault/token"
    static let authority = "/vault/authority"
    static let secrets = "/secrets"
  }

  var secretFiles: ClusterFacts.SecretFiles? { plan.readableSecrets.isEmpty ? nil : facts.secretFiles }

  /// First one that ends when the files are there, before the agent starts, then one that follows (a native sidecar).
  var platformContainers: JSONValue {
    guard let files = secretFiles else { return .null }
    return [platformContainer(Name.firstSecrets, files, isFirst: true), platformContainer(Name.secrets, files, isFirst: false)]
  }

  private func platformContainer(_ name: String, _ files: ClusterFacts.SecretFiles, isFirst: Bool) -> JSONValue {
    var args = ["secret-files", "--address", files.address, "--role", "palana-" + namespace, "--mount", files.mount]
    args += ["--token-file", Folder.token + "/token", "--owner=" + plan.owner.raw, "--agent", plan.name.text, "--folder", Folder.secrets]
    var mounts: [JSONValue] = [
      ["name": "secrets", "mountPath": .string(Folder.secrets)],
      ["name": "vault-token", "mountPath": .string(Folder.token), "readOnly": true],
    ]
    if files.authority != nil {
      args += ["--ca-file", Folder.authority + "/ca.crt"]
      mounts.append(["name": "vault-authority", "mountPath": .string(Folder.authority), "readOnly": true])
    }
    if isFirst { args.append("--once") }
    return [
      "name": .string(name), "image": .string(files.image), "args": .array(args.map { .string(Self.literal($0)) }),
      "command": .null, "restartPolicy": isFirst ? .null : "Always", "env": .null, "envFrom": .null, "lifecycle": .null, "ports": .null,
      "resources": [
        "limits": [
          "cpu": .string(ResourceAmount.milli(Platform.cpuMilli)), "memory": .string(ResourceAmount.bytes(Platform.memoryBytes)),
        ], "requests": ["cpu": "10m", "memory": "32Mi"],
      ],
      "securityContext": Self.confinement, "volumeMounts": .array(mounts),
    ]
  }

  /// Of every container, the agent's and the platform's.
  static let confinement: JSONValue = [
    "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
    "capabilities": ["drop": ["ALL"], "add": .null], "procMount": .null, "runAsUser": .null, "seccompProfile": .null,
  ]

  var secretVolumes: [JSONValue] {
    guard let files = secretFiles else { return [] }
    var volumes: [JSONValue] = [
      ["name": "secrets", "emptyDir": ["medium": "Memory", "sizeLimit": "16Mi"]],
      [
        "name": "vault-token",
        "projected": [
          "sources": [["serviceAccountToken": ["audience": .string(files.audience), "expirationSeconds": 600, "path": "token"]]]
        ],
      ],
    ]
    if files.authority != nil {
      volumes.append(["name": "vault-authority", "configMap": ["name": .string(Name.vaultAuthority)]])
    }
    return volumes
  }

  /// Of the agent's own container.
  var secretMounts: [JSONValue] {
    secretFiles == nil ? [] : [["name": "secrets", "mountPath": "/run/secrets", "readOnly": true]]
  }

  func vaultAuthority() -> [KubernetesManifest] {
    guard let authority = secretFiles?.authority else { return [] }
    return [manifest(.configMap, Name.vaultAuthority, ["data": ["ca.crt": .string(authority)]])]
  }
}
