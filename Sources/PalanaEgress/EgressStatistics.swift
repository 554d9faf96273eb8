/// Counts of one gateway since its start, except where said otherwise.
package struct EgressStatistics: Sendable, Hashable {
  /// Connections of agents, at this moment.
  package var openConnections = 0
  /// Connections to upstreams that are kept for reuse, at this moment.
  package var idleUpstreams = 0
  package var acceptedConnections: UInt64 = 0
  /// Connections closed at once: no agent has the address, the agent is killed, or has too many.
  package var refusedConnections: UInt64 = 0
  package var requests: UInt64 = 0
  package var deniedRequests: UInt64 = 0
  package var failedRequests: UInt64 = 0
  package var tunnels: UInt64 = 0
  package var upstreamConnections: UInt64 = 0
  package var mintedCertificates: UInt64 = 0
  /// Bytes of bodies towards upstreams.
  package var bytesSent: UInt64 = 0
  /// Bytes of bodies towards agents.
  package var bytesReceived: UInt64 = 0
  /// Events that the audit could not take.
  package var lostEvents: UInt64 = 0

  package init() {}

  static func += (left: inout Self, right: Self) {
    left.openConnections += right.openConnections
    left.idleUpstreams += right.idleUpstreams
    left.acceptedConnections += right.acceptedConnections
    left.refusedConnections += right.refusedConnections
    left.requests += right.requests
    left.deniedRequests += right.deniedRequests
    left.failedRequests += right.failedRequests
    left.tunnels += right.tunnels
    left.upstreamConnections += right.upstreamConnections
    left.mintedCertificates += right.mintedCertificates
    left.bytesSent += right.bytesSent
    left.bytesReceived += right.bytesReceived
    left.lostEvents += right.lostEvents
  }
}
