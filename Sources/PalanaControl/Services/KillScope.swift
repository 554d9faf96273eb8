import PalanaAPI
import PalanaAudit
import PalanaControlAPI
import PalanaCore

/// The target of a kill as the caller may mean it.
struct KillScope {
  var target: KillOrderSpec.Target
  /// The agent, when the target is one and it is known.
  var single: KillReport.AgentEntry?
  /// Whose agents it can be about; nil: anybody's.
  var owner: UserIdentity?
  var warnings: [String] = []

  /// - Parameter mustExist: whether an agent that is not there is an error.
  /// - Throws: ``PalanaError``: `denied`, `notFound`, `invalid`.
  static func resolve(
    _ written: KillTarget, owner: UserIdentity?, by caller: Caller, access: Access, mustExist: Bool = true
  ) async throws(PalanaError) -> KillScope {
    switch written {
    case .agent(let name): return try await agent(name, owner, caller, access, mustExist)
    case .owner(let user):
      guard caller.isOperator || user == caller.identity else {
        throw PalanaError(.denied, "only operators may kill the agents of another owner")
      }
      return KillScope(target: .owner(user), owner: user)
    case .template(let name):
      guard caller.isOperator else { throw PalanaError(.denied, "only operators may kill by template") }
      return KillScope(target: .template(try ResourceName(name).text))
    case .all:
      guard caller.isOperator else { throw PalanaError(.denied, "only operators may kill everything") }
      return KillScope(target: .all)
    }
  }

  private static func agent(
    _ text: String, _ owner: UserIdentity?, _ caller: Caller, _ access: Access, _ mustExist: Bool
  ) async throws(PalanaError) -> KillScope {
    let name = try ResourceName(text)
    let target = owner ?? caller.identity
    do {
      let agent = try await access.find(AgentSpec.self, named: text, owner: owner, by: caller)
      let reference = try agent.reference()
      return KillScope(
        target: .agent(reference.id),
        single: .init(id: reference.id, name: reference.name, owner: reference.owner), owner: reference.owner)
    } catch {
      let assumed = AgentID(owner: target, name: name)
      switch error.code {
      case .notFound where mustExist: throw error
      case .notFound:
        // An order outlives its agent: it can be taken back by the same name. Whose orders may be taken back is checked
        // there.
        guard owner == nil || owner == caller.identity || caller.isOperator else { throw error }
        return KillScope(target: .agent(assumed), owner: target)
      case .failed, .unreachable, .conflict:
        // The store is in trouble, or holds two of this name: no reason to let an agent go on. An operator who names nobody may mean
        // the agent of anybody.
        if error.code == .conflict, owner == nil, caller.isOperator { throw error }
        guard owner == nil || owner == caller.identity || caller.isOperator else { throw error }
        return KillScope(
          target: .agent(assumed), single: .init(id: assumed, name: name.text, owner: target), owner: target,
          warnings: ["whether the agent exists could not be checked: \(error.message)"])
      case .denied, .invalid: throw error
      }
    }
  }
}
