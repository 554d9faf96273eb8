/// Bounds of the LLM gateway.
package struct LLMLimits: Hashable, Sendable {
  /// Of the body of one request.
  package var requestBytes = 16 << 20
  /// Of an answer that is not a stream, as far as what it used is read in it. A longer one is passed on and estimated.
  package var answerBytes = 8 << 20
  /// Of one event of a stream. A longer one is passed on and not understood.
  package var eventBytes = 1 << 20
  /// Of all bodies that wait on one event loop.
  package var bodiesPerLoop = 256 << 20
  /// Of those, how many one agent may have: the others must not find all of it taken.
  package var bodiesPerAgent = 64 << 20
  package var connectionsPerAgent = 1_024
  /// From the first byte of a request to its last.
  package var requestTimeout = Duration.seconds(60)
  /// Of a connection without a request.
  package var idleTimeout = Duration.seconds(300)
  /// What calls under way may still take when the gateway stops.
  package var stopTimeout = Duration.seconds(5)

  package init() {}
}
