package import PalanaCore
package import PalanaEgress
import PalanaPlan
package import PalanaSecrets

/// The gateway as a plane of a kill: its open channels are closed; the refusal of new ones comes with the next picture of all agents.
package struct GatewayPlane: ContainmentPlane {
  private let gateway: any EgressDataPlane
  private let projection: EgressProjection

  package init(gateway: any EgressDataPlane, projection: EgressProjection) {
    self.gateway = gateway
    self.projection = projection
  }

  package var name: String { "gateway" }

  package func cut(_ agents: Set<AgentID>) async throws(PalanaError) {
    // First what is open, then the picture in which these agents are killed, then what was opened between the two.
    await gateway.cut(agents)
    try await projection.refresh()
    await gateway.cut(agents)
  }

  package func restore(_ agents: Set<AgentID>) async throws(PalanaError) { try await projection.refresh() }
}

/// The secrets as a plane of a kill: values leave the memory and are refused.
package struct SecretsPlane: ContainmentPlane {
  private let source: MintingSecretSource

  package init(source: MintingSecretSource) { self.source = source }

  package var name: String { "secrets" }
  package func cut(_ agents: Set<AgentID>) async throws(PalanaError) { source.revoke(agents) }
  package func restore(_ agents: Set<AgentID>) async throws(PalanaError) { source.restore(agents) }
}
