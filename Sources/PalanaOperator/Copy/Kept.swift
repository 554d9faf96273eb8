import Crypto
import PalanaCore
import PalanaKube
import PalanaPlan

/// What is kept of an object that is made for an agent: everything that can be compared, as compact bytes.
struct Kept: Sendable, Hashable {
  var kind: KubernetesManifest.Kind
  var key: ObjectKey
  var uid: String
  var resourceVersion: String
  var isDeleting: Bool
  /// Whether it bears our labels.
  var isOurs: Bool
  /// Who wrote it last besides the operator (`managedFields`); empty: nobody.
  var changedBy: String
  private var content: [UInt8]

  init(_ kind: KubernetesManifest.Kind, _ object: KubeObject) {
    self.kind = kind
    key = object.key
    uid = object.uid
    resourceVersion = object.resourceVersion
    isDeleting = object.isDeleting
    isOurs = object.labels[AgentLabels.managedBy] == AgentLabels.manager && object.labels[AgentLabels.agentID] != nil
    changedBy = Self.lastWriter(object.metadata["managedFields"]?.array ?? [])
    content = Self.exactly(Self.comparable(kind, object).encoded())
  }

  /// The same bytes in no more memory than they need: an array that grew has room for as much again.
  private static func exactly(_ bytes: [UInt8]) -> [UInt8] {
    var exact: [UInt8] = []
    exact.reserveCapacity(bytes.count)
    exact.append(contentsOf: bytes)
    return exact
  }

  /// Without what only the server says, and with digests in place of the values of a secret and of a ConfigMap: certificates are long and
  /// the same for every agent. Of every value, short or long, or somebody could put the digest in the value's place unseen.
  static func comparable(_ kind: KubernetesManifest.Kind, _ object: KubeObject) -> JSONValue {
    var object = object
    object.setMetadata("managedFields", nil)
    object["status"] = nil
    if kind == .secret || kind == .configMap, let data = object["data"]?.object {
      var digests = JSONObject()
      for (name, value) in data { digests[name] = .string(Digest.text(Array((value.string ?? "").utf8))) }
      object["data"] = .object(digests)
    }
    return object.json
  }

  /// - Returns: nil never happens for what was encoded here.
  var object: JSONValue { (try? JSONValue(parsing: content)) ?? .null }

  func annotation(_ name: String) -> String? { object["metadata"]?["annotations"]?[name]?.string }

  /// Whether this is a later state than `other`: versions are numbers that grow (Kubernetes 1.35 says so of all its kinds).
  func isNewer(than other: Kept) -> Bool {
    guard let mine = UInt64(resourceVersion), let theirs = UInt64(other.resourceVersion) else { return true }
    return mine >= theirs
  }

  private static func lastWriter(_ entries: [JSONValue]) -> String {
    let others = entries.filter { entry in
      let manager = entry["manager"]?.string ?? ""
      // Controllers that write what is theirs to say.
      return manager != OperatorName.fieldManager && entry["subresource"] == nil && manager != "kube-controller-manager"
    }
    let last = others.max { ($0["time"]?.string ?? "") < ($1["time"]?.string ?? "") }
    return last?["manager"]?.string ?? ""
  }
}

/// Names by which the operator is known in a cluster.
package enum OperatorName {
  package static let fieldManager = "palana-operator"
  package static let lease = "palana-operator"
  package static let finalizer = "palana.dev/agent"
  static let controller = "palana.dev/operator"
  /// In the status of kill orders.
  package static let inOrders = "operator"
}

enum Digest {
  /// 32 hexadecimal digits of SHA-256.
  static func text(_ bytes: [UInt8]) -> String {
    SHA256.hash(data: bytes).prefix(16).map { byte in
      let digits = String(byte, radix: 16)
      return byte < 16 ? "0" + digits : digits
    }.joined()
  }
}
