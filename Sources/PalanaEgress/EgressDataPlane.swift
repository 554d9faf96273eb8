package import PalanaCore
package import ServiceLifecycle

/// What carries the requests of agents: the gateway of this module, or another proxy that asks its checks and decisions.
package protocol EgressDataPlane: Service {
  /// The address and port for agents, once they are served.
  var boundAddress: (address: IPAddress, port: UInt16)? { get }
  /// What it cannot do, in words for operators; empty for the gateway of this module.
  var restrictions: [String] { get }
  /// Whether it refuses every message that is not exactly of HTTP/1, whatever it asks for.
  var isStrict: Bool { get }

  /// Puts a new state of all agents in force; returns when it holds, for what is open too.
  func apply(_ snapshot: EgressSnapshot) async
  /// Closes every connection of these agents at once. It does not keep them from connecting again: ``apply(_:)`` does.
  func cut(_ agents: Set<AgentID>) async
  func statistics() async -> EgressStatistics
  /// When each agent was active last, of those that were since the start: it sent something, or something came for it.
  func activity() async -> [AgentID: Timestamp]
}

extension EgressGateway: EgressDataPlane {
  package var restrictions: [String] { [] }
  package var isStrict: Bool { true }
}
