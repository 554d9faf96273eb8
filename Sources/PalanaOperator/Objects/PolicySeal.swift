import PalanaCore
import PalanaKube
import PalanaPlan

/// Tells, without a plan, whether a policy is as the operator wrote it: a mark that only the installation's key can make.
struct PolicySeal: Sendable {
  static let annotation = "palana.dev/seal"

  let key: @Sendable (String) -> Redacted<String>

  /// Of where it stands and of everything that decides what it opens.
  func text(_ kind: KubernetesManifest.Kind, _ namespace: String, _ name: String, _ object: JSONValue) -> String {
    var content = JSONObject()
    for member in kind.exact { content[member] = object[member].map(\.withoutNulls) }
    let digest = Digest.text(JSONValue.object(content).encoded(sortedKeys: true))
    // No agent has an identifier like this, so nobody's password is used up for it.
    return Digest.text(Array(key("seal \(kind.rawValue) \(namespace)/\(name) \(digest)").reveal().utf8))
  }

  func isIntact(_ policy: Kept) -> Bool {
    policy.isOurs
      && policy.annotation(Self.annotation) == text(policy.kind, policy.key.namespace, policy.key.name, policy.object)
  }
}
