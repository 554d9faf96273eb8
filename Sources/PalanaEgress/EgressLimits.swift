/// What one agent, or all of them together, may use of the gateway.
package struct EgressLimits: Sendable, Hashable {
  /// Bytes of one request head or response head, with its first line.
  package var headerBytes = 65_536
  /// Header fields of one head.
  package var headerFields = 128
  /// Bytes of the method and target together.
  package var requestLineBytes = 32_768
  /// Bytes of a body that may be held to be rewritten.
  package var bodyRewriteBytes = 1_048_576
  /// Open connections of one agent.
  package var connectionsPerAgent = 1024
  /// New connections of one agent in a second, five seconds' worth at once; zero: no limit. More are closed at once.
  package var newConnectionsPerSecond = 0
  /// Requests of one agent under way, websockets and streams included; zero: no limit. More are refused.
  package var requestsInFlight = 0
  /// Bytes of both directions that one agent moves in a second; zero: no limit. More wait.
  package var bytesPerSecond = 0
  /// Bytes of one request body; zero: no limit. More are refused.
  package var requestBodyBytes: Int64 = 0
  /// Refusals of one agent that are answered in a second, ten seconds' worth at once; zero: no limit. More wait, so that the
  /// audit trail of an agent that asks for what it may not have grows slowly.
  package var refusalsPerSecond = 0
  /// What one connection of HTTP/2 may use, with an agent and with an upstream.
  package var http2 = HTTP2()
  /// Certificates kept for reuse.
  package var leafCapacity = 4096
  /// Certificates being minted at one moment.
  package var pendingMints = 256
  /// Names being resolved at one moment.
  package var pendingResolutions = 512
  /// From the first byte of a head, or the opening of the connection, to the end of the head.
  package var headTimeout: Duration = .seconds(15)
  /// From the answer to CONNECT to the end of the TLS handshake.
  package var handshakeTimeout: Duration = .seconds(15)
  /// Without a request.
  package var idleTimeout: Duration = .seconds(300)
  /// With a request or a websocket, and no byte in either direction.
  package var streamTimeout: Duration = .seconds(900)
  /// To open one connection to an upstream, its TLS handshake included.
  package var dialTimeout: Duration = .seconds(10)
  /// One question to one name server.
  package var resolveTimeout: Duration = .seconds(3)
  /// How long a connection to an upstream is kept for the next request of the same agent.
  package var upstreamIdle: Duration = .seconds(30)
  /// Kept connections to upstreams, for one agent on one event loop.
  package var upstreamIdlePerAgent = 32
  /// What requests under way may still take when the gateway stops.
  package var stopTimeout: Duration = .seconds(3)
  /// How often deadlines are looked at: the precision of every timeout above.
  package var tick: Duration = .milliseconds(250)

  package init() {}

  package struct HTTP2: Sendable, Hashable {
    /// Streams at one moment. More of an agent are refused.
    package var streams = 128
    /// Bytes of contents of one stream that the other side may send before any were passed on; 65,535 at least.
    package var streamWindow = 131_072
    /// The same for all streams together: it bounds what one connection can make the gateway hold; 65,535 at least.
    package var connectionWindow = 1_048_576

    package init() {}
  }
}
