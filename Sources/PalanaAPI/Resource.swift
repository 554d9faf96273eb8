package import PalanaCore

/// What is wanted of one kind of resource. The written form: every field a person may leave out is optional.
package protocol ResourceSpec: Codable, Hashable, Sendable {
  associatedtype Status: Codable, Hashable, Sendable
  /// The kind as it stands in a manifest, for example `Agent`.
  static var kind: String { get }
  /// The plural in paths and on the command line, for example `agents`.
  static var plural: String { get }
  /// Whether a resource of this kind belongs to an owner (true) or to the installation (false).
  static var isOwned: Bool { get }

  /// The JSON Schema of the spec.
  static var jsonSchema: JSONValue { get }
  /// The JSON Schema of the status.
  static var statusSchema: JSONValue { get }

  /// The raw identity of the owner; always nil for kinds that are not owned.
  var owner: UserIdentity? { get }
  /// Every problem of the spec, with paths that start at `spec`.
  func problems() -> [FieldError]
  /// What may not change when `old` is replaced by this spec.
  func problems(replacing old: Self) -> [FieldError]
}

extension ResourceSpec {
  package var owner: UserIdentity? { nil }
  package static var statusSchema: JSONValue { SchemaWords.object([]) }

  /// An owner, once set, stays: whoever could change it could take over the agent's secrets.
  package func problems(replacing old: Self) -> [FieldError] {
    guard Self.isOwned, let before = old.owner, owner != before else { return [] }
    return [FieldError("spec.owner", "immutable, it is \(before.raw)")]
  }
}

/// A Kubernetes-shaped object: identity, what is wanted (`spec`), what is (`status`).
package struct Resource<Spec: ResourceSpec>: Hashable, Sendable {
  package static var apiVersion: String { PalanaAPIVersion.current }

  package var metadata: ObjectMeta
  package var spec: Spec
  /// Written by the platform only; absent in manifests.
  package var status: Spec.Status?

  package init(metadata: ObjectMeta, spec: Spec, status: Spec.Status? = nil) {
    self.metadata = metadata
    self.spec = spec
    self.status = status
  }
}

/// The version of every resource kind.
package enum PalanaAPIVersion {
  package static let current = "palana.dev/v1alpha1"
}

/// What identifies one object, in Kubernetes' vocabulary.
package struct ObjectMeta: Codable, Hashable, Sendable {
  package var name: ResourceName
  /// Set by the server at creation; a new one when an object of the same name is created again.
  package var uid: String?
  /// Changes with every write; a write that names an old one is a conflict.
  package var resourceVersion: String?
  /// Counts changes of the spec.
  package var generation: Int64?
  package var creationTimestamp: Timestamp?
  /// When deletion was asked for, while the engine still cleans up.
  package var deletionTimestamp: Timestamp?
  package var labels: [String: String]?
  package var annotations: [String: String]?

  package init(
    name: ResourceName, uid: String? = nil, resourceVersion: String? = nil, generation: Int64? = nil,
    creationTimestamp: Timestamp? = nil, deletionTimestamp: Timestamp? = nil, labels: [String: String]? = nil,
    annotations: [String: String]? = nil
  ) {
    self.name = name
    self.uid = uid
    self.resourceVersion = resourceVersion
    self.generation = generation
    self.creationTimestamp = creationTimestamp
    self.deletionTimestamp = deletionTimestamp
    self.labels = labels
    self.annotations = annotations
  }
}

extension Resource: Codable {
  private enum CodingKeys: String, CodingKey { case apiVersion, kind, metadata, spec, status }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let version = try container.decode(String.self, forKey: .apiVersion)
    guard version == Self.apiVersion else {
      throw DecodingError.dataCorruptedError(
        forKey: .apiVersion, in: container, debugDescription: "only \(Self.apiVersion) is known")
    }
    let kind = try container.decode(String.self, forKey: .kind)
    guard kind == Spec.kind else {
      throw DecodingError.dataCorruptedError(forKey: .kind, in: container, debugDescription: "expected \(Spec.kind)")
    }
    metadata = try container.decode(ObjectMeta.self, forKey: .metadata)
    spec = try container.decode(Spec.self, forKey: .spec)
    status = try container.decodeIfPresent(Spec.Status.self, forKey: .status)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.apiVersion, forKey: .apiVersion)
    try container.encode(Spec.kind, forKey: .kind)
    try container.encode(metadata, forKey: .metadata)
    try container.encode(spec, forKey: .spec)
    try container.encodeIfPresent(status, forKey: .status)
  }
}

/// One observed fact about an object, in Kubernetes' shape.
package struct Condition: Codable, Hashable, Sendable {
  package enum State: String, Codable, Sendable { case isTrue = "True", isFalse = "False", unknown = "Unknown" }

  /// The type of the condition which says that the LLM gateway took a run for stuck: somebody has to look at it.
  package static let escalated = "Escalated"

  /// For example `Ready`, `NetworkReady`, `SecretsReady`.
  package var type: String
  package var status: State
  /// One CamelCase word.
  package var reason: String
  /// A sentence for people.
  package var message: String
  package var lastTransitionTime: Timestamp

  package init(type: String, status: State, reason: String, message: String, lastTransitionTime: Timestamp) {
    self.type = type
    self.status = status
    self.reason = reason
    self.message = message
    self.lastTransitionTime = lastTransitionTime
  }
}

/// The status of a kind that has none.
package struct NoStatus: Codable, Hashable, Sendable { package init() {} }
