import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

/// An `Agent` as the cluster has it, also one that cannot be read.
struct SeenAgent: Sendable {
  var key: ObjectKey
  var uid: String
  var resourceVersion: String
  var generation: Int64
  var isDeleting: Bool
  var finalizers: [String]
  var isPaused: Bool
  /// Whether its deletion takes its data too.
  var isPurged: Bool
  var status: AgentStatus?
  var content: Result<Agent, PalanaError>
  /// Known also of one that cannot be read, as long as these can.
  var identity: Identity?

  /// Who an agent is. Nothing of it ever changes.
  struct Identity: Hashable, Sendable {
    var owner: UserIdentity
    var name: ResourceName
    var id: AgentID { AgentID(owner: owner, name: name) }
    var namespace: String { AgentNamespace.name(owner: owner, agent: name) }
  }

  init(_ object: KubeObject) {
    key = object.key
    uid = object.uid
    resourceVersion = object.resourceVersion
    generation = object.generation
    isDeleting = object.isDeleting
    finalizers = object.finalizers
    isPaused = object.annotations["palana.dev/paused"] == "true"
    isPurged = object.annotations["palana.dev/purge"] == "true"
    status = object["status"].flatMap { try? StrictDecoder.decode(AgentStatus.self, from: $0, passesUnknown: true) }
    var wanted = object
    wanted["status"] = nil
    content = Self.read(wanted)
    if let raw = object["spec"]?["owner"]?.string, let owner = try? UserIdentity(raw), let name = try? ResourceName(object.name) {
      identity = Identity(owner: owner, name: name)
    }
  }

  private static func read(_ object: KubeObject) -> Result<Agent, PalanaError> {
    do throws(PalanaError) {
      let agent = try StrictDecoder.decode(Agent.self, from: object.json, passesUnknown: true)
      try agent.check()
      return .success(agent)
    } catch {
      return .failure(error)
    }
  }

  var templateName: String? { if case .success(let agent) = content { agent.spec.effectiveTemplateName } else { nil } }
}
