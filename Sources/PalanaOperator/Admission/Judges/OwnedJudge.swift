import PalanaAPI
import PalanaCore
import PalanaKube

/// What is decided about objects that belong to somebody: `Agent` and `PeeringRule`. Pure but for the registry.
///
/// The owner decides about secrets, so nobody but the platform's own may say that somebody else is one.
struct OwnedJudge: Sendable {
  var parties: Parties
  var registry: AgentRegistry
  /// Agents that one owner may have; nil: any number.
  var agentsPerOwner: Int?
  var images: AllowedImages

  // MARK: Mutation

  /// An absent owner is whoever asks, or who it was before.
  func completed(_ request: AdmissionRequest) -> JSONValue? {
    guard let object = request.object, var members = object.object, var spec = object["spec"]?.object,
      spec["owner"] == nil || spec["owner"] == .null
    else { return request.object }
    let before = request.oldObject?["spec"]?["owner"]
    let isOwnerWanted = [.person, .administrator].contains(parties.role(of: request.requester))
    guard let owner = before ?? (isOwnerWanted && request.operation == .create ? .string(request.requester.user) : nil) else {
      return object
    }
    spec["owner"] = owner
    members["spec"] = .object(spec)
    return .object(members)
  }

  // MARK: Validation

  func check<Spec: ResourceSpec>(_ request: AdmissionRequest, as type: Resource<Spec>.Type) throws(AdmissionRefusal) {
    guard request.operation != .delete, let object = request.object else { return }
    let role = parties.role(of: request.requester)
    let isUnchanged = request.oldObject.map { ExactText.isSame($0["spec"], object["spec"]) } ?? false
    let isOwner = Self.isOwner(request.requester, of: request.oldObject ?? object)
    let own: Set<String> = isOwner ? ["annotations[\(TrustedMetadata.purge)]"] : []
    try TrustedMetadata.check(from: request.oldObject, to: object, by: role, own: own)
    // Policies choose agents by their labels.
    guard
      isOwner || role != .person || ExactText.isSame(request.oldObject?["metadata"]?["labels"], object["metadata"]?["labels"])
        || request.oldObject == nil
    else { throw .forbidden("metadata.labels: only the owner and platform administrators change them") }
    // What is there already may be touched by whoever the cluster lets, such as its own controllers.
    guard !isUnchanged else { return }
    try checkWriter(role, request, object)
    let resource = try WrittenResource.read(object, old: request.oldObject, as: type)
    guard let agent = resource as? Agent, let owner = agent.spec.owner else { return }
    if let refused = images.problem(agent.spec.image, "spec.image"), role == .person { throw refused }
    guard request.operation == .create else { return }
    try checkPlace(role, owner, request.key)
    if agentsPerOwner != nil, !request.isDryRun { registry.expect(request.key, owner: owner) }
  }

  /// Whether the object says of exactly this user that it is theirs.
  private static func isOwner(_ requester: Requester, of object: JSONValue) -> Bool {
    object["spec"]?["owner"]?.string.map { ExactText.isSame($0, requester.user) } ?? false
  }

  private func checkWriter(_ role: Parties.Role, _ request: AdmissionRequest, _ object: JSONValue) throws(AdmissionRefusal) {
    guard let owner = object["spec"]?["owner"]?.string else { throw .forbidden("spec.owner: required, whose it is") }
    if ExactText.hasPrefix(owner, "system:") {
      throw .forbidden("spec.owner: ‘\(owner.prefix(254))’ is a name of the cluster itself and owns nothing")
    }
    if let before = request.oldObject?["spec"]?["owner"]?.string, !ExactText.isSame(before, owner) {
      throw .forbidden("spec.owner: immutable, it is \(before)")
    }
    switch role {
    case .administrator, .engine, .control: return
    case .reaper:
      guard let old = request.oldObject, ExactText.isSame(Self.withoutLifecycle(old), Self.withoutLifecycle(object)) else {
        throw .forbidden("the reaper may change nothing of an agent but its lifecycle")
      }
    case .person:
      guard ExactText.isSame(owner, request.requester.user) else {
        throw .forbidden(
          "spec.owner: ‘\(owner.prefix(254))’ is not you, ‘\(request.requester.user.prefix(254))’; only platform administrators act for others"
        )
      }
    }
  }

  private static func withoutLifecycle(_ object: JSONValue) -> JSONValue? {
    guard var spec = object["spec"]?.object else { return nil }
    spec["lifecycle"] = nil
    return .object(spec)
  }

  /// A name stands once for each owner in the whole cluster: namespaces, secrets and rights are made from the two.
  private func checkPlace(_ role: Parties.Role, _ owner: UserIdentity, _ key: ObjectKey) throws(AdmissionRefusal) {
    guard registry.isSynced else { throw .unavailable("the agents of the cluster are not known yet; try again in a moment") }
    if let other = registry.agents(of: owner).first(where: { $0.name == key.name && $0 != key }) {
      throw .conflict("‘\(owner)’ has an agent ‘\(key.name)’ already, in the namespace ‘\(other.namespace)’")
    }
    guard let most = agentsPerOwner, role == .person else { return }
    let count = registry.expectedAgents(of: owner).subtracting([key]).count
    guard count < most else { throw .forbidden("‘\(owner)’ has \(count) agents, and may have \(most)") }
  }
}
