import PalanaAPI
import PalanaCore
import PalanaLocal
import PalanaManifests

/// What a folder of manifests says: the agents with where each one is, and all that decides about them.
///
/// Besides what people apply, it may hold what on one machine only the platform writes: bindings of secrets and kill orders.
struct AgentManifests: Hashable, Sendable {
  private(set) var inputs = PolicyInputs()
  /// Agents that run, by identifier.
  private(set) var live: [AgentID: LiveAgentFacts] = [:]

  /// Takes all or nothing: a set of rules with a hole may allow more than was meant.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` or `conflict` that names file, document, line and field.
  init(_ files: [ManifestFile]) throws(PalanaError) {
    var seen: Set<Key> = []
    for file in files {
      for document in try ManifestDocument.parse(file.bytes, file: file.path) {
        for part in document.unfolded {
          do throws(PalanaError) { try add(part.value, &seen) } catch { throw part.located(error) }
        }
      }
    }
    var addresses: [IPAddress: AgentID] = [:]
    for (id, facts) in live.sorted(by: { $0.key < $1.key }) {
      if let other = addresses.updateValue(id, forKey: facts.address) {
        throw PalanaError(.conflict, "the agents \(other) and \(id) have the same address, \(facts.address)")
      }
    }
  }

  private struct Key: Hashable {
    var kind: String
    var owner: UserIdentity?
    var name: ResourceName
  }

  private mutating func add(_ value: JSONValue, _ seen: inout Set<Key>) throws(PalanaError) {
    switch value["kind"]?.string {
    case SecretBindingSpec.kind: inputs.bindings.append(try read(value, as: SecretBinding.self, &seen))
    case KillOrderSpec.kind: inputs.orders.append(try read(value, as: KillOrder.self, &seen))
    case AgentTemplateSpec.kind: inputs.templates.append(try read(value, as: AgentTemplate.self, &seen))
    case EgressPolicySpec.kind: inputs.policies.append(try read(value, as: EgressPolicy.self, &seen))
    case AgentSpec.kind: try add(try read(value, as: Agent.self, &seen))
    default:
      // Says what is wrong with the kind. One that is sound and not for a gateway has no effect here.
      _ = try ManifestDecoder.decode(value)
    }
  }

  private mutating func add(_ agent: Agent) throws(PalanaError) {
    guard let owner = agent.spec.owner else {
      throw PalanaError(.invalid, "spec.owner: required, whose agent it is")
    }
    guard let uid = agent.metadata.uid, !uid.isEmpty else {
      throw PalanaError(
        .invalid, "metadata.uid: required, the agent's password at the gateway is derived from it",
        hint: "any text that no other agent has or had")
    }
    inputs.agents.append(agent)
    // One that does not run has no network: nobody speaks from its address.
    guard let status = agent.status, status.phase == .running, let address = status.address else { return }
    let id = AgentID(owner: owner, name: agent.metadata.name)
    live[id] = LiveAgentFacts(name: agent.metadata.name, owner: owner, uid: uid, address: address)
  }

  private func read<Spec: ResourceSpec>(
    _ value: JSONValue, as type: Resource<Spec>.Type, _ seen: inout Set<Key>
  ) throws(PalanaError) -> Resource<Spec> {
    let resource = try ManifestDecoder.decode(value, as: type)
    try resource.check()
    let key = Key(kind: Spec.kind, owner: resource.spec.owner, name: resource.metadata.name)
    guard seen.insert(key).inserted else {
      throw PalanaError(.conflict, "metadata.name: there is another \(Spec.kind) ‘\(resource.metadata.name)’")
    }
    return resource
  }
}
