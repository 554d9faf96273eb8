/// Bounds of the control API.
package struct ControlLimits: Hashable, Sendable {
  /// Bytes of a manifest or another small JSON body.
  package var bodyBytes = 1 << 20
  /// Bytes of a body with secret values.
  package var secretBodyBytes = 256 << 10
  /// Bytes of all header fields of a request.
  package var headerBytes = 64 << 10
  /// Connections at once, on each listener.
  package var connections = 1024
  /// Connections at once of one local user who is not an operator: nobody may keep the operators out.
  package var connectionsPerUser = 64
  /// Between a connection's opening (or the end of an answer) and the end of the next head.
  package var headTimeout: Duration = .seconds(30)
  /// Between two pieces of a body, and for what is left of a body after the answer.
  package var bodyTimeout: Duration = .seconds(30)
  /// Notes of failed authentications per minute.
  package var authenticationNotes = 60

  package init() {}
}
