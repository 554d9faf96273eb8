import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaStore

/// What is checked before something is written.
extension ResourceService {
  func authorize<Spec: ControlledSpec>(_ kind: Spec.Type, _ caller: Caller) throws(PalanaError) {
    guard !Spec.isOperatorsOnly || caller.isOperator else {
      throw PalanaError(.denied, "only operators may write \(Spec.article)")
    }
  }

  /// What is in the program cannot be changed, only covered by an object of the same name.
  func refuseBuiltIn<Spec: ControlledSpec>(
    _ kind: Spec.Type, _ name: ResourceName
  ) async throws(PalanaError) {
    guard Spec.builtIn.contains(where: { $0.metadata.name == name }),
      try await !store.list(kind, owner: nil).contains(where: { $0.metadata.name == name })
    else { return }
    throw PalanaError(
      .conflict, "the \(Spec.noun) ‘\(name)’ is built in", hint: "apply one of the same name to use that instead")
  }

  /// A sound object for creation: the server's fields are the server's, whatever was sent.
  func prepare<Spec: ControlledSpec>(
    _ written: Resource<Spec>, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> Resource<Spec> {
    try authorize(Spec.self, caller)
    var resource = Resource(
      metadata: ObjectMeta(
        name: written.metadata.name, labels: written.metadata.labels, annotations: written.metadata.annotations),
      spec: written.spec)
    if Spec.isOwned {
      resource.spec.writtenOwner = try self.owner(written: written.spec.writtenOwner, requested: owner, by: caller)
    }
    resource.spec.complete(from: nil)
    try check(resource.validate(), resource.spec.policyProblems())
    try await checkReferences(resource)
    return resource
  }

  /// The object that a write is about.
  func existing<Spec: ControlledSpec>(
    _ written: Resource<Spec>, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> Resource<Spec> {
    let target =
      Spec.isOwned
      ? try self.owner(written: written.spec.writtenOwner, requested: owner, by: caller) : nil
    return try await access.find(Spec.self, named: written.metadata.name.text, owner: target, by: caller)
  }

  /// A sound object that replaces `old`: identity and status stay, the owner cannot change.
  func replacement<Spec: ControlledSpec>(
    _ written: Resource<Spec>, for old: Resource<Spec>
  ) throws(PalanaError) -> Resource<Spec> {
    try checkNotDeleted(old)
    var resource = old
    resource.metadata.resourceVersion = written.metadata.resourceVersion
    resource.metadata.labels = written.metadata.labels
    resource.metadata.annotations = written.metadata.annotations
    resource.spec = written.spec
    if resource.spec.writtenOwner == nil { resource.spec.writtenOwner = old.spec.writtenOwner }
    guard resource.spec.writtenOwner == old.spec.writtenOwner else {
      throw PalanaError(.invalid, "spec.owner: the owner cannot change")
    }
    resource.spec.complete(from: old.spec)
    try check(resource.validateUpdate(from: old), resource.spec.policyProblems())
    // Said here and not only by the store, so that nothing is audited as allowed that cannot be done.
    if let version = resource.metadata.resourceVersion, version != old.metadata.resourceVersion {
      throw PalanaError(
        .conflict, "somebody changed the \(Spec.noun) ‘\(old.metadata.name)’ meanwhile", hint: "read it again and retry"
      )
    }
    return resource
  }

  func checkNotDeleted<Spec: ControlledSpec>(_ resource: Resource<Spec>) throws(PalanaError) {
    guard resource.metadata.deletionTimestamp == nil else {
      throw PalanaError(.conflict, "the \(Spec.noun) ‘\(resource.metadata.name)’ is being deleted")
    }
  }

  /// The template that an agent names, and the agents that a peering rule names, exist.
  func checkReferences<Spec: ControlledSpec>(_ resource: Resource<Spec>) async throws(PalanaError) {
    if let agent = resource as? Agent, let template = agent.spec.template, !template.isEmpty {
      let known = try await access.all(AgentTemplateSpec.self, owner: nil).map(\.metadata.name.text)
      guard known.contains(template) else {
        throw PalanaError(
          .invalid, "spec.template: there is no template ‘\(template.prefix(60))’",
          hint: known.isEmpty ? "" : "there are: \(known.joined(separator: ", "))")
      }
    }
  }

  func checkUnused(template name: String) async throws(PalanaError) {
    let users = try await store.list(AgentSpec.self, owner: nil).filter { $0.spec.template == name }
    guard users.isEmpty else {
      let names = users.prefix(5).map(\.metadata.name.text).joined(separator: ", ")
      throw PalanaError(.conflict, "\(users.count) agents use the template ‘\(name)’: \(names)")
    }
  }

  private func owner(
    written: UserIdentity?, requested: UserIdentity?, by caller: Caller
  ) throws(PalanaError) -> UserIdentity {
    if let written, let requested, written != requested {
      throw PalanaError(.invalid, "spec.owner: differs from the owner of the request")
    }
    return try access.owner(written ?? requested, by: caller)
  }

  private func check(_ problems: [FieldError]...) throws(PalanaError) {
    // The same problem may be found by the shape's check and by the policy's.
    var seen: Set<FieldError> = []
    let all = problems.flatMap { $0 }.filter { seen.insert($0).inserted }
    if let error = PalanaError(all) { throw error }
  }

  func reference<Spec: ControlledSpec>(_ resource: Resource<Spec>) throws(PalanaError) -> AuditEvent.AgentRef? {
    guard let agent = resource as? Agent else { return nil }
    return try agent.reference()
  }

  func details<Spec: ControlledSpec>(_ resource: Resource<Spec>) -> [String: String] {
    var details = ["kind": Spec.kind, "name": resource.metadata.name.text]
    if let owner = resource.spec.writtenOwner { details["owner"] = owner.raw }
    return details
  }
}
