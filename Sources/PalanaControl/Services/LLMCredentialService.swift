import PalanaAPI
import PalanaAudit
package import PalanaControlAPI
package import PalanaCore
import PalanaSecrets

/// The credentials that routes to language models share among all agents. Values pass through to the secret store and stay nowhere here.
package struct LLMCredentialService: Sendable {
  let source: LLMService.Source
  let writer: any SecretWriter
  let gateway: GatewayNotice
  let trail: AuditTrail

  /// Every credential that the configuration names, and what is stored for its routes besides.
  package func list() async throws(PalanaError) -> LLMCredentialList {
    let probe = try source.probe
    var items: [LLMCredentialItem] = []
    for route in probe.routes {
      let stored = try await writer.names(.proxySecrets, owner: probe.owner, agent: try ResourceName(route))
      var listed = Self.items(of: route, probe, stored: stored)
      for secret in stored where !listed.contains(where: { $0.secret == secret && $0.scope == .route }) {
        listed.append(LLMCredentialItem(route: route, secret: secret, scope: .route, keys: [], upstreams: [], state: .unused))
      }
      items += listed
    }
    return LLMCredentialList(items: items)
  }

  /// Stores a credential, or gives it another value; calls that come later have it.
  ///
  /// - Throws: ``PalanaError``: `notFound` for a route or a secret that the configuration does not name, `invalid`, `unreachable`, `failed`.
  package func set(
    _ secret: String, of route: String, _ request: LLMCredentialRequest, by caller: Caller
  ) async throws(PalanaError) -> LLMCredentialItem {
    let probe = try source.probe
    let name = try Self.route(route, probe)
    guard let item = Self.items(of: route, probe, stored: [secret]).first(where: { $0.secret == secret && $0.scope == .route }) else {
      throw Self.unknown(secret, route, probe)
    }
    let values = [try Self.key(request.key, item): request.value]
    try SecretValueRules.check(values, access: .proxyOnly)
    try trail.allow(.secrets, "llm-credential-set", by: caller, secrets: [secret], details: ["route": route])
    try await write(values, secret, probe.owner, name)
    gateway.forget(AgentID(owner: probe.owner, name: name))
    return item
  }

  /// New values for what is there, or a new secret; somebody else may do the same at this moment.
  private func write(
    _ values: [String: Redacted<String>], _ secret: String, _ owner: UserIdentity, _ route: ResourceName
  ) async throws(PalanaError) {
    var attempt = 1
    while true {
      do throws(PalanaError) {
        return try await writer.rotate(owner: owner, agent: route, secret: secret, access: .proxyOnly, type: nil, values: values)
      } catch {
        guard error.code == .notFound else { throw error }
      }
      do throws(PalanaError) {
        return try await writer.add(owner: owner, agent: route, secret: secret, access: .proxyOnly, type: nil, values: values)
      } catch {
        guard error.code == .conflict, attempt < 3 else { throw error }
        attempt += 1
      }
    }
  }

  /// - Throws: ``PalanaError``: `notFound` for a route that is not there or has no such secret, `unreachable`, `failed`.
  package func delete(_ secret: String, of route: String, by caller: Caller) async throws(PalanaError) -> DeleteResult {
    let probe = try source.probe
    let name = try Self.route(route, probe)
    guard try await writer.names(.proxySecrets, owner: probe.owner, agent: name).contains(secret) else {
      throw PalanaError(.notFound, "the route ‘\(route)’ has no secret ‘\(secret.prefix(64))’ stored")
    }
    try trail.allow(.secrets, "llm-credential-delete", by: caller, secrets: [secret], details: ["route": route])
    try await writer.remove(owner: probe.owner, agent: name, secret: secret, access: .proxyOnly)
    gateway.forget(AgentID(owner: probe.owner, name: name))
    return DeleteResult(kind: "LLMCredential", name: secret, done: true)
  }

  // MARK: What the configuration says

  private static func items(of route: String, _ probe: LLMProbe, stored: [String]) -> [LLMCredentialItem] {
    var items: [LLMCredentialItem] = []
    for one in probe.credentials where one.route == route {
      if let index = items.firstIndex(where: { $0.secret == one.secret && $0.scope == one.scope }) {
        if !items[index].keys.contains(one.key) { items[index].keys.append(one.key) }
        if !items[index].upstreams.contains(one.upstream) { items[index].upstreams.append(one.upstream) }
        continue
      }
      let state: LLMCredentialItem.State =
        one.scope == .agent ? .perAgent : stored.contains(one.secret) ? .stored : .missing
      items.append(
        LLMCredentialItem(
          route: route, secret: one.secret, scope: one.scope, keys: [one.key], upstreams: [one.upstream], state: state))
    }
    return items
  }

  private static func route(_ name: String, _ probe: LLMProbe) throws(PalanaError) -> ResourceName {
    guard probe.routes.contains(name) else {
      throw PalanaError(
        .notFound, "there is no route ‘\(name.prefix(80))’", hint: "the configuration has \(probe.routes.joined(separator: ", "))")
    }
    return try ResourceName(name)
  }

  private static func unknown(_ secret: String, _ route: String, _ probe: LLMProbe) -> PalanaError {
    let own = probe.credentials.filter { $0.route == route }
    if own.contains(where: { $0.secret == secret }) {
      return PalanaError(
        .invalid, "each agent has a secret ‘\(secret.prefix(64))’ of its own for the route ‘\(route)’",
        hint: "pcli secrets add AGENT \(secret.prefix(64)) \(own.first { $0.secret == secret }?.key ?? "value")=- --no-host")
    }
    let names = own.filter { $0.scope == .route }.map(\.secret)
    return PalanaError(
      .notFound, "the route ‘\(route)’ uses no secret ‘\(secret.prefix(64))’",
      hint: names.isEmpty
        ? "name it in its configuration: credential: {scope: route, secret: NAME}"
        : "its configuration names \(Array(Set(names)).sorted().joined(separator: ", "))")
  }

  private static func key(_ wanted: String?, _ item: LLMCredentialItem) throws(PalanaError) -> String {
    let keys = item.keys.joined(separator: ", ")
    guard let wanted else {
      guard item.keys.count == 1, let only = item.keys.first else {
        throw PalanaError(.invalid, "the secret ‘\(item.secret)’ has several keys: \(keys)", hint: "say which with --key")
      }
      return only
    }
    guard item.keys.contains(wanted) else {
      throw PalanaError(.invalid, "the secret ‘\(item.secret)’ has no key ‘\(wanted.prefix(64))’", hint: "its keys: \(keys)")
    }
    return wanted
  }
}
