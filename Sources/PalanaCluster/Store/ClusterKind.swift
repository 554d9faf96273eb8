import PalanaAPI
import PalanaCore
import PalanaKube

extension ResourceSpec {
  /// The kind as the API server addresses it.
  static var kube: KubeResource {
    KubeResource(CustomResourceDefinition.group, CustomResourceDefinition.version, plural, kind: kind, isNamespaced: isOwned)
  }
}

/// An object of ours between its form in the cluster and the one in this program.
enum StoredObject {
  /// What takes an agent's deletion in two steps: the engine that runs it lets go last.
  static let finalizer = "palana.dev/agent"
  /// Notes of other programs, which nobody here reads or writes.
  private static let foreign = ["kubectl.kubernetes.io/"]

  /// - Throws: ``PalanaError`` with code `failed`: somebody wrote what this version does not understand.
  static func resource<Spec: ResourceSpec>(_ object: KubeObject) throws(PalanaError) -> Resource<Spec> {
    var wanted = object
    wanted["status"] = nil
    var resource: Resource<Spec>
    do throws(PalanaError) {
      resource = try StrictDecoder.decode(Resource<Spec>.self, from: wanted.json, passesUnknown: true)
    } catch {
      throw PalanaError(
        .failed, "\(Spec.kind) \(object.key) in the cluster cannot be read: \(error.message)", hint: "kubectl edit mends it")
    }
    // A status that cannot be read is as good as none: it will be written anew.
    resource.status = object["status"].flatMap { try? StrictDecoder.decode(Spec.Status.self, from: $0, passesUnknown: true) }
    resource.metadata.annotations = own(resource.metadata.annotations)
    return resource
  }

  /// The object with what the resource says of itself; the rest stays: finalizers, owners, others' notes, the version.
  static func write<Spec: ResourceSpec>(_ resource: Resource<Spec>, into object: inout KubeObject) throws(PalanaError) {
    object["spec"] = try JSONValue(encoding: resource.spec)
    object.setMetadata("labels", texts(resource.metadata.labels))
    let kept = object.annotations.filter { entry in foreign.contains { entry.key.hasPrefix($0) } }
    object.setMetadata("annotations", texts(kept.merging(resource.metadata.annotations ?? [:]) { $1 }))
  }

  /// Whether a write would change nothing.
  static func isSame<Spec: ResourceSpec>(_ one: Resource<Spec>, _ other: Resource<Spec>) -> Bool {
    one.spec == other.spec && (one.metadata.labels ?? [:]) == (other.metadata.labels ?? [:])
      && (one.metadata.annotations ?? [:]) == (other.metadata.annotations ?? [:])
  }

  private static func own(_ annotations: [String: String]?) -> [String: String]? {
    let own = annotations?.filter { entry in !foreign.contains { entry.key.hasPrefix($0) } } ?? [:]
    return own.isEmpty ? nil : own
  }

  private static func texts(_ values: [String: String]?) -> JSONValue? {
    guard let values, !values.isEmpty else { return nil }
    var object = JSONObject()
    for (name, value) in values.sorted(by: { $0.key < $1.key }) { object[name] = .string(value) }
    return .object(object)
  }
}
