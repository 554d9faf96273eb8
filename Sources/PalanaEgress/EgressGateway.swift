package import Logging
package import PalanaAudit
package import PalanaCore
package import PalanaSecrets
import ServiceLifecycle

/// The egress gateway: the only way out for agents.
package final class EgressGateway: Service {
  /// Makes the audit sink of one event loop; the argument is the number of the loop.
  package typealias AuditFactory = @Sendable (Int) throws -> any AuditSink

  /// - Throws: ``PalanaError`` with code `invalid` or `failed`.
  package init(
    configuration: EgressGatewayConfiguration, certificateAuthority: CertificateAuthority,
    secrets: any SecretValueSource, audit: @escaping AuditFactory, clock: WallClock = .system, logger: Logger
  ) throws(PalanaError) {
    throw PalanaError(.failed, "not built yet")
  }

  /// Serves until graceful shutdown or cancellation.
  package func run() async throws {}

  /// Puts a new state of all agents in force on every event loop.
  ///
  /// Connections of agents that are gone, killed, or have another proxy token or address are cut; requests under way are
  /// judged again by the new policy. Returns when every loop has it.
  package func apply(_ snapshot: EgressSnapshot) async {}

  /// Closes every connection of these agents at once, to them and to upstreams, whatever it is doing. Idempotent.
  package func cut(_ agents: Set<AgentID>) async {}

  /// The address and port, once the gateway listens.
  package var boundAddress: (address: IPAddress, port: UInt16)? { nil }

  package func statistics() async -> EgressStatistics { EgressStatistics() }
}
