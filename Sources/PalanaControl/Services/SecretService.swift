import PalanaAPI
import PalanaAudit
package import PalanaControlAPI
package import PalanaCore
import PalanaSecrets
package import PalanaStore

/// Adds, rotates, binds and removes the secrets of agents. Values pass through to the secret store and stay nowhere
/// here.
package struct SecretService: Sendable {
  let store: any ResourceStore
  let writer: any SecretWriter
  let gateway: GatewayNotice
  let access: Access
  let trail: AuditTrail

  package init(store: any ResourceStore, writer: any SecretWriter, gateway: GatewayNotice, trail: AuditTrail) {
    self.store = store
    self.writer = writer
    self.gateway = gateway
    self.trail = trail
    access = Access(store: store)
  }

  /// Stores a new secret: the values first, then the binding that makes the gateway know of them.
  ///
  /// - Throws: ``PalanaError``: `invalid`, `notFound` (the agent), `conflict` when the agent has one of this name.
  package func add(
    _ request: SecretAddRequest, to name: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> SecretSummary {
    let (agent, target) = try await agent(name, owner, caller)
    let existing = try await bindings(of: agent.metadata.name, target)
    guard !existing.contains(where: { $0.spec.secret == request.name }) else {
      throw PalanaError(
        .conflict, "the agent ‘\(name)’ has a secret ‘\(request.name)’ already",
        hint: "pcli secrets rotate gives it a new value")
    }
    let access = request.access ?? .proxyOnly
    let spec = try SecretBindingSpec.draft(
      owner: target, agent: agent.metadata.name, secret: request.name, access: access,
      keys: Array(request.values.keys), hosts: request.hosts, places: request.places ?? [],
      type: request.type, placeholder: request.placeholder, require: request.require, aws: request.aws,
      tokenHosts: request.tokenHosts, taken: Set(existing.flatMap { $0.spec.keys.compactMap(\.placeholder) }))
    if let type = request.type {
      try MintRules.check(request.values, of: type)
    } else {
      try SecretValueRules.check(request.values, access: access)
      try SecretValueRules.check(request.values, places: spec.places)
    }
    let binding = SecretBinding(metadata: ObjectMeta(name: try SecretBindingName.name(of: spec)), spec: spec)
    try trail.allow(
      .secrets, "add", by: caller, agent: try agent.reference(), secrets: [request.name],
      details: [
        "access": access.rawValue, "type": request.type?.rawValue ?? "value", "keys": Self.keys(request.values),
        "hosts": spec.hosts.joined(separator: " "), "places": spec.places.joined(separator: " "),
        "tokenHosts": Self.text(spec.tokenHosts),
      ])
    try await store(values: request.values, spec, agent, target)
    let created: SecretBinding
    do {
      created = try await store.create(binding)
    } catch {
      // Nothing may stay in the secret store that no binding speaks of. On a conflict somebody else has just added it:
      // then the values in this place are theirs.
      if error.code != .conflict {
        try? await writer.remove(owner: target, agent: agent.metadata.name, secret: spec.secret, access: access)
      }
      throw error
    }
    try await gateway.refresh()
    return Self.summary(created)
  }

  /// Writes the values of a secret that has no binding. Values that an interrupted removal left behind are replaced.
  private func store(
    values: [String: Redacted<String>], _ spec: SecretBindingSpec, _ agent: Agent, _ owner: UserIdentity
  ) async throws(PalanaError) {
    let name = agent.metadata.name
    do {
      try await writer.add(owner: owner, agent: name, secret: spec.secret, access: spec.access, type: spec.type, values: values)
    } catch {
      guard error.code == .conflict,
        try await !bindings(of: name, owner).contains(where: { $0.spec.secret == spec.secret })
      else { throw error }
      try await writer.remove(owner: owner, agent: name, secret: spec.secret, access: spec.access)
      try await writer.add(owner: owner, agent: name, secret: spec.secret, access: spec.access, type: spec.type, values: values)
    }
  }

  /// The secrets of an agent, by name, without values.
  package func list(of name: String, owner: UserIdentity?, by caller: Caller) async throws(PalanaError) -> SecretList {
    let agent = try await access.find(AgentSpec.self, named: name, owner: owner, by: caller)
    let bindings = try await bindings(of: agent.metadata.name, try agent.requireOwner())
    return SecretList(items: bindings.map(Self.summary).sorted { $0.name < $1.name })
  }

  /// Replaces the values of some or all keys.
  package func rotate(
    _ secret: String, _ request: SecretRotateRequest, of name: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> SecretSummary {
    let (agent, target) = try await agent(name, owner, caller)
    let binding = try await require(secret, of: agent, target)
    try Self.check(request.values, replacing: binding.spec)
    try trail.allow(
      .secrets, "rotate", by: caller, agent: try agent.reference(), secrets: [secret],
      details: ["keys": Self.keys(request.values)])
    // The values first: whoever asks for the new revision must not get an old value.
    try await writer.rotate(
      owner: target, agent: agent.metadata.name, secret: secret, access: binding.spec.access, type: binding.spec.type,
      values: request.values)
    let changed = try await change(binding, target) { $0.revision += 1 }
    try await gateway.refresh()
    // The gateway of language models knows no revisions.
    gateway.forget(AgentID(owner: target, name: agent.metadata.name))
    return Self.summary(changed)
  }

  private static func check(
    _ values: [String: Redacted<String>], replacing spec: SecretBindingSpec
  ) throws(PalanaError) {
    if let type = spec.type { return try MintRules.check(replacing: values, of: type) }
    let unknown = values.keys.filter { key in !spec.keys.contains { $0.key == key } }.sorted()
    guard unknown.isEmpty else {
      throw PalanaError(
        .invalid, "the secret ‘\(spec.secret)’ has no key ‘\(unknown[0].prefix(60))’",
        hint: "its keys: \(spec.keys.map(\.key).joined(separator: ", "))")
    }
    try SecretValueRules.check(values, access: spec.access)
    try SecretValueRules.check(values, places: spec.places)
  }

  /// Says where a proxy-only secret may go from now on.
  package func bind(
    _ secret: String, _ request: SecretBindRequest, of name: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> SecretSummary {
    let (agent, target) = try await agent(name, owner, caller)
    let binding = try await require(secret, of: agent, target)
    guard binding.spec.access == .proxyOnly else {
      throw PalanaError(.invalid, "the secret ‘\(secret)’ is agent-readable: the gateway never puts it anywhere")
    }
    guard request != SecretBindRequest() else {
      throw PalanaError(.invalid, "neither hosts nor places are given")
    }
    var checked = binding.spec
    Self.apply(request, to: &checked)
    _ = try PlaceholderBinding.bindings(from: checked)
    try trail.allow(
      .secrets, "bind", by: caller, agent: try agent.reference(), secrets: [secret],
      details: [
        "hosts": checked.hosts.joined(separator: " "), "places": checked.places.joined(separator: " "),
        "tokenHosts": Self.text(checked.tokenHosts),
      ])
    let changed = try await change(binding, target) { Self.apply(request, to: &$0) }
    try await gateway.refresh()
    return Self.summary(changed)
  }

  private static func text(_ hosts: [String]?) -> String { hosts?.joined(separator: " ") ?? "" }

  private static func apply(_ request: SecretBindRequest, to spec: inout SecretBindingSpec) {
    spec.hosts = request.hosts ?? spec.hosts
    spec.places = request.places ?? spec.places
    spec.require = request.require ?? spec.require
    spec.aws = request.aws ?? spec.aws
    spec.tokenHosts = request.tokenHosts ?? spec.tokenHosts
    // Other places: what was said of the scope of signatures means nothing any more.
    if request.aws == nil, !spec.places.contains(PlaceholderBinding.Place.awsSigV4.text) { spec.aws = nil }
  }

  /// Writes a change of a binding, starting over when somebody else wrote in between.
  private func change(
    _ binding: SecretBinding, _ owner: UserIdentity, _ change: @Sendable (inout SecretBindingSpec) -> Void
  ) async throws(PalanaError) -> SecretBinding {
    var present = binding
    var attempt = 1
    while true {
      change(&present.spec)
      do { return try await store.update(present) } catch {
        guard error.code == .conflict, attempt < 5 else { throw error }
      }
      attempt += 1
      present = try await store.get(SecretBindingSpec.self, owner: owner, name: binding.metadata.name)
    }
  }

  /// Removes a secret: the binding first, so that the gateway refuses it at once, then the values.
  package func remove(
    _ secret: String, of name: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> DeleteResult {
    let (agent, target) = try await agent(name, owner, caller)
    let binding = try await require(secret, of: agent, target)
    try trail.allow(.secrets, "remove", by: caller, agent: try agent.reference(), secrets: [secret])
    try await remove(binding, target)
    return DeleteResult(kind: SecretBindingSpec.kind, name: secret, done: true)
  }

  /// Removes every secret of an agent. Succeeds when there are none.
  func removeAll(owner: UserIdentity, agent: ResourceName) async throws(PalanaError) {
    for binding in try await bindings(of: agent, owner) { try await remove(binding, owner) }
    try await writer.removeAll(owner: owner, agent: agent)
  }

  private func remove(_ binding: SecretBinding, _ owner: UserIdentity) async throws(PalanaError) {
    do {
      try await store.remove(
        SecretBindingSpec.self, owner: owner, name: binding.metadata.name, uid: binding.metadata.uid ?? "")
    } catch {
      guard error.code == .notFound else { throw error }
    }
    let spec = binding.spec
    let agent = try ResourceName(spec.agent)
    // Last, whatever fails before it: a fetch that is under way until then must not keep what it brings.
    defer { gateway.forget(AgentID(owner: owner, name: agent)) }
    let refreshed: Result<Void, PalanaError>
    do throws(PalanaError) { refreshed = .success(try await gateway.refresh()) } catch { refreshed = .failure(error) }
    try await writer.remove(owner: owner, agent: agent, secret: spec.secret, access: spec.access)
    try refreshed.get()
  }

  private func agent(
    _ name: String, _ owner: UserIdentity?, _ caller: Caller
  ) async throws(PalanaError) -> (Agent, UserIdentity) {
    let target = try access.owner(owner, by: caller)
    return (try await access.find(AgentSpec.self, named: name, owner: target, by: caller), target)
  }

  private func bindings(
    of agent: ResourceName, _ owner: UserIdentity
  ) async throws(PalanaError) -> [SecretBinding] {
    try await store.list(SecretBindingSpec.self, owner: owner).filter { $0.spec.agent == agent.text }
  }

  private func require(
    _ secret: String, of agent: Agent, _ owner: UserIdentity
  ) async throws(PalanaError) -> SecretBinding {
    guard
      let binding = try await bindings(of: agent.metadata.name, owner).first(where: { $0.spec.secret == secret })
    else {
      throw PalanaError(.notFound, "the agent ‘\(agent.metadata.name)’ has no secret ‘\(secret.prefix(64))’")
    }
    return binding
  }

  private static func keys(_ values: [String: Redacted<String>]) -> String {
    values.keys.sorted().joined(separator: " ")
  }

  static func summary(_ binding: SecretBinding) -> SecretSummary {
    SecretSummary(
      name: binding.spec.secret, access: binding.spec.access, keys: binding.spec.keys, hosts: binding.spec.hosts,
      places: binding.spec.places, require: binding.spec.require, aws: binding.spec.aws, tokenHosts: binding.spec.tokenHosts,
      type: binding.spec.type, revision: binding.spec.revision, createdAt: binding.metadata.creationTimestamp)
  }
}
