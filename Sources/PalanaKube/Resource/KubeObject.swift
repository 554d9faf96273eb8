package import PalanaCore

/// An object as the API server sent it, or as it is to be sent: JSON of which only the metadata is known.
package struct KubeObject: Hashable, Sendable {
  package var json: JSONValue

  package init(_ json: JSONValue) { self.json = json }

  /// An object with nothing but its identity.
  package init(_ resource: KubeResource, namespace: String? = nil, name: String) {
    var metadata: JSONObject = ["name": .string(name)]
    if let namespace { metadata["namespace"] = .string(namespace) }
    json = [
      "apiVersion": .string(resource.apiVersion), "kind": .string(resource.kind), "metadata": .object(metadata),
    ]
  }

  package subscript(name: String) -> JSONValue? {
    get { json[name] }
    set {
      guard case .object(var object) = json else { return }
      object[name] = newValue
      json = .object(object)
    }
  }

  package var apiVersion: String { json["apiVersion"]?.string ?? "" }
  package var kind: String { json["kind"]?.string ?? "" }
  package var metadata: JSONValue { json["metadata"] ?? .null }
  package var name: String { metadata["name"]?.string ?? "" }
  package var namespace: String { metadata["namespace"]?.string ?? "" }
  package var uid: String { metadata["uid"]?.string ?? "" }
  /// Opaque; compared for equality only.
  package var resourceVersion: String { metadata["resourceVersion"]?.string ?? "" }
  package var generation: Int64 { metadata["generation"]?.int.map(Int64.init) ?? 0 }
  package var labels: [String: String] { Self.texts(metadata["labels"]) }
  package var annotations: [String: String] { Self.texts(metadata["annotations"]) }
  package var finalizers: [String] { metadata["finalizers"]?.array?.compactMap(\.string) ?? [] }
  /// Whether its deletion was asked for and waits for finalizers.
  package var isDeleting: Bool { metadata["deletionTimestamp"]?.string != nil }
  package var key: ObjectKey { ObjectKey(namespace: namespace, name: name) }

  /// Changes a member of the metadata; nil removes it.
  package mutating func setMetadata(_ name: String, _ value: JSONValue?) {
    var object = metadata.object ?? JSONObject()
    object[name] = value
    self["metadata"] = .object(object)
  }

  private static func texts(_ value: JSONValue?) -> [String: String] {
    guard let object = value?.object else { return [:] }
    var result: [String: String] = [:]
    for (name, value) in object { result[name] = value.string ?? "" }
    return result
  }
}
