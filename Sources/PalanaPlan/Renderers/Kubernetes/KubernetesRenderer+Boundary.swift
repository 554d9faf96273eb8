import PalanaCore

extension KubernetesRenderer {
  var enclosure: AgentEnclosure { AgentEnclosure(owner: plan.owner, name: plan.name, uid: plan.uid, source: run.source) }

  /// The namespace, who may do what in it, how much it may take, its storage and the authority it trusts.
  func boundary() -> [KubernetesManifest] {
    [
      enclosure.space(), enclosure.account(), enclosure.role(), enclosure.binding(), quota(), range(), storage(),
      manifest(.configMap, Name.authority, ["data": ["ca.crt": .string(facts.caCertificate)]]),
    ] + vaultAuthority()
  }

  private func quota() -> KubernetesManifest {
    var limits = plan.limits
    if secretFiles != nil {
      limits.cpuMilli += Platform.cpuMilli
      limits.memoryBytes += Platform.memoryBytes
    }
    return manifest(
      .resourceQuota, Name.agent,
      [
        "spec": [
          "hard": [
            "pods": "1", "limits.cpu": .string(ResourceAmount.milli(limits.cpuMilli)),
            "limits.memory": .string(ResourceAmount.bytes(limits.memoryBytes)),
            "persistentvolumeclaims": "1", "requests.storage": .string(ResourceAmount.bytes(limits.storageBytes)),
            "services": "1", "services.nodeports": "0", "services.loadbalancers": "0",
          ]
        ]
      ])
  }

  /// A container that says nothing gets what the agent may have, and none gets more.
  private func range() -> KubernetesManifest {
    let most: JSONValue = [
      "cpu": .string(ResourceAmount.milli(plan.limits.cpuMilli)), "memory": .string(ResourceAmount.bytes(plan.limits.memoryBytes)),
    ]
    var max = most
    if secretFiles != nil {
      max = [
        "cpu": .string(ResourceAmount.milli(Swift.max(plan.limits.cpuMilli, Platform.cpuMilli))),
        "memory": .string(ResourceAmount.bytes(Swift.max(plan.limits.memoryBytes, Platform.memoryBytes))),
      ]
    }
    return manifest(
      .limitRange, Name.agent,
      ["spec": ["limits": [["type": "Container", "max": max, "default": most, "defaultRequest": requests]]]])
  }

  /// What the scheduler sets aside: agents wait most of the time.
  var requests: JSONValue {
    [
      "cpu": .string(ResourceAmount.milli(max(plan.limits.cpuMilli / 10, 1))),
      "memory": .string(ResourceAmount.bytes(max(plan.limits.memoryBytes / 2, 1))),
    ]
  }

  private func storage() -> KubernetesManifest {
    var spec: JSONObject = [
      "accessModes": ["ReadWriteOnce"],
      "resources": ["requests": ["storage": .string(ResourceAmount.bytes(plan.limits.storageBytes))]],
    ]
    if let name = facts.storageClass { spec["storageClassName"] = .string(name) }
    return manifest(.persistentVolumeClaim, Name.data, ["spec": .object(spec)])
  }
}
