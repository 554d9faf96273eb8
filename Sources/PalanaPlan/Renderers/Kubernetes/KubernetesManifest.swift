package import PalanaCore

/// One object of a cluster as it is wanted: what is not said here is left to others and to the server's defaults.
package struct KubernetesManifest: Hashable, Sendable {
  /// The kinds that are made for an agent, in the order in which they are applied. Those before the workload are its boundary.
  package enum Kind: String, CaseIterable, Sendable, Comparable {
    case namespace = "Namespace"
    case networkPolicy = "NetworkPolicy"
    case ciliumNetworkPolicy = "CiliumNetworkPolicy"
    case limitRange = "LimitRange"
    case serviceAccount = "ServiceAccount"
    case role = "Role"
    case roleBinding = "RoleBinding"
    case configMap = "ConfigMap"
    case secret = "Secret"
    case persistentVolumeClaim = "PersistentVolumeClaim"
    case service = "Service"
    case endpointSlice = "EndpointSlice"
    // Before what runs, which it bounds, and after what is counted: each of those would cost the server a write of the quota's status.
    case resourceQuota = "ResourceQuota"
    case statefulSet = "StatefulSet"
    case ingress = "Ingress"
    case httpRoute = "HTTPRoute"

    package static func < (left: Self, right: Self) -> Bool { left.order < right.order }

    private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    package var apiVersion: String {
      switch self {
      case .namespace, .resourceQuota, .limitRange, .serviceAccount, .configMap, .secret, .persistentVolumeClaim, .service: "v1"
      case .endpointSlice: "discovery.k8s.io/v1"
      case .networkPolicy, .ingress: "networking.k8s.io/v1"
      case .ciliumNetworkPolicy: "cilium.io/v2"
      case .role, .roleBinding: "rbac.authorization.k8s.io/v1"
      case .statefulSet: "apps/v1"
      case .httpRoute: "gateway.networking.k8s.io/v1"
      }
    }

    /// Whether it opens ways for what is otherwise closed in.
    package var isPolicy: Bool { self == .networkPolicy || self == .ciliumNetworkPolicy }

    /// Members in which anything more than what is wanted would widen what the agent or somebody else may do.
    package var exact: Set<String> {
      switch self {
      case .networkPolicy, .resourceQuota, .limitRange: ["spec"]
      case .ciliumNetworkPolicy: ["spec", "specs"]
      case .role: ["rules", "aggregationRule"]
      case .roleBinding: ["roleRef", "subjects"]
      case .configMap: ["data", "binaryData"]
      case .secret: ["data"]
      case .endpointSlice: ["endpoints", "ports"]
      case .namespace, .serviceAccount, .persistentVolumeClaim, .service, .statefulSet, .ingress, .httpRoute: []
      }
    }
  }

  package var kind: Kind
  /// Nil for a namespace itself.
  package var namespace: String?
  package var name: String
  package var labels: [String: String]
  package var annotations: [String: String] = [:]
  /// The members besides the metadata. `null` demands that a member is absent, or says no.
  package var body: JSONObject

  package init(kind: Kind, namespace: String?, name: String, labels: [String: String], body: JSONObject) {
    self.kind = kind
    self.namespace = namespace
    self.name = name
    self.labels = labels
    self.body = body
  }

  /// The object as it is sent, without the demands that something be absent.
  package var json: JSONValue {
    var metadata: JSONObject = ["name": .string(name)]
    if let namespace { metadata["namespace"] = .string(namespace) }
    metadata["labels"] = .texts(labels)
    if !annotations.isEmpty { metadata["annotations"] = .texts(annotations) }
    var object: JSONObject = [
      "apiVersion": .string(kind.apiVersion), "kind": .string(kind.rawValue), "metadata": .object(metadata),
    ]
    for (name, value) in body where value != .null { object[name] = value.withoutNulls }
    return .object(object)
  }
}

extension JSONValue {
  /// An object of texts, by name.
  package static func texts(_ values: [String: String]) -> JSONValue {
    var object = JSONObject()
    for (name, value) in values.sorted(by: { $0.key < $1.key }) { object[name] = .string(value) }
    return .object(object)
  }

  package static func int(_ value: some BinaryInteger) -> JSONValue { .number(JSONNumber(value)) }

  /// The same without members that are `null`.
  package var withoutNulls: JSONValue {
    switch self {
    case .object(let object):
      var result = JSONObject()
      for (name, value) in object where value != .null { result[name] = value.withoutNulls }
      return .object(result)
    case .array(let elements): return .array(elements.map(\.withoutNulls))
    case .null, .bool, .number, .string: return self
    }
  }
}
