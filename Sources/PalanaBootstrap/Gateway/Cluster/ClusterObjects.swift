import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

// What a gateway keeps of the objects of a cluster. Two are equal when nothing changed that it decides by; what cannot be read is kept
// as that, because leaving it out could allow more than was meant.

/// An `Agent`.
struct ClusterAgent: Hashable, Sendable {
  /// Who it is; known also of one that cannot be read otherwise.
  struct Identity: Hashable, Sendable {
    let owner: UserIdentity
    let name: ResourceName
    let id: AgentID
    /// Where its objects and its pod are.
    let namespace: String

    init(owner: UserIdentity, name: ResourceName) {
      self.owner = owner
      self.name = name
      id = AgentID(owner: owner, name: name)
      namespace = AgentNamespace.name(owner: owner, agent: name)
    }
  }

  var key: ObjectKey
  var uid: String
  var isDeleting: Bool
  /// Nil: nobody's.
  var identity: Identity?
  /// Without status and version; nil: it cannot be read.
  var agent: Agent?

  init(_ object: KubeObject) {
    key = object.key
    uid = object.uid
    isDeleting = object.isDeleting
    var wanted = object
    wanted["status"] = nil
    for member in ["resourceVersion", "generation", "managedFields", "annotations"] { wanted.setMetadata(member, nil) }
    agent = ObjectReading.read(wanted, as: Agent.self)
    if let raw = object["spec"]?["owner"]?.string, let owner = try? UserIdentity(raw), let name = try? ResourceName(object.name) {
      identity = Identity(owner: owner, name: name)
    }
  }
}

/// The pod of an agent, or one that claims to be.
struct ClusterPod: Hashable, Sendable {
  /// The name of the only pod of a StatefulSet of one.
  static let name = "\(KubernetesRenderer.Name.agent)-0"

  var uid: String
  /// Whose it says it is.
  var agentID: String
  /// Its own address. Nil: it has none yet, no more, or that of its node.
  var address: IPAddress?
  /// Whether it is an agent's as the operator has them made, and lives. An address that is claimed by one that is not is still claimed.
  var isServed: Bool

  init(_ object: KubeObject) {
    uid = object.uid
    agentID = object.labels[AgentLabels.agentID] ?? ""
    let phase = object["status"]?["phase"]?.string
    let lives = phase == "Running" || phase == "Pending"
    let hasOwnNetwork = object["spec"]?["hostNetwork"]?.bool != true
    // What has ended still says which address it had, while somebody else may have it.
    if lives, hasOwnNetwork { address = object["status"]?["podIP"]?.string.flatMap { IPAddress($0) } }
    let controller = object.metadata["ownerReferences"]?.array?.first { $0["controller"]?.bool == true }
    isServed =
      address != nil && !object.isDeleting && object.name == Self.name && !object.uid.isEmpty
      && object.labels[AgentLabels.managedBy] == AgentLabels.manager && controller?["apiVersion"]?.string == "apps/v1"
      && controller?["kind"]?.string == "StatefulSet" && controller?["name"]?.string == KubernetesRenderer.Name.agent
  }
}

/// A `SecretBinding`.
enum ClusterBinding: Hashable, Sendable {
  case sound(SecretBinding)
  /// Of this agent, if it says that much.
  case broken(agent: String?)

  init(_ object: KubeObject) {
    if let binding = ObjectReading.read(object, as: SecretBinding.self) {
      var binding = binding
      binding.metadata = ObjectMeta(name: binding.metadata.name)
      self = .sound(binding)
    } else {
      self = .broken(agent: object["spec"]?["agent"]?.string)
    }
  }

  var agent: String? {
    switch self {
    case .sound(let binding): binding.spec.agent
    case .broken(let agent): agent
    }
  }
}

/// An `EgressPolicy`.
enum ClusterPolicy: Hashable, Sendable {
  case sound(EgressPolicy)
  /// For these; nil: whom it is for cannot be read either.
  case broken(AgentSelector?)

  init(_ object: KubeObject) {
    if let policy = ObjectReading.read(object, as: EgressPolicy.self) {
      self = .sound(policy)
    } else if let selector = object["spec"]?["selector"] {
      self = .broken(try? StrictDecoder.decode(AgentSelector.self, from: selector))
    } else {
      self = .broken(nil)
    }
  }
}

/// A `KillOrder`.
struct ClusterOrder: Hashable, Sendable {
  var uid: String
  /// Whom it is about; one that cannot be read is about everybody.
  var target: KillOrderSpec.Target
  /// Whether this gateway has said that it holds.
  var isAnswered: Bool

  init(_ object: KubeObject, gateway: String) {
    uid = object.uid
    target = ObjectReading.read(object, as: KillOrder.self)?.spec.target ?? .all
    let entries = object["status"]?["planes"]?.array ?? []
    isAnswered = entries.contains {
      $0["plane"]?.string == KillOrderStatus.Plane.gateway.rawValue && $0["by"]?.string == gateway && $0["error"] == nil
    }
  }

  func covers(_ agent: ClusterAgent) -> Bool {
    switch target {
    case .all: true
    case .agent(let id): agent.identity.map { $0.id == id } ?? true
    case .owner(let owner): agent.identity.map { $0.owner == owner } ?? true
    case .template(let name): agent.agent.map { $0.spec.effectiveTemplateName == name } ?? true
    }
  }
}

enum ObjectReading {
  /// - Returns: nil for an object that is not what its kind says.
  static func read<Spec: ResourceSpec>(_ object: KubeObject, as type: Resource<Spec>.Type) -> Resource<Spec>? {
    var object = object
    object["status"] = nil
    guard let resource = try? StrictDecoder.decode(type, from: object.json, passesUnknown: true), resource.validate().isEmpty else {
      return nil
    }
    return resource
  }
}
