import Glibc
package import HTTPTypes
package import NIOCore
import PalanaAudit
import PalanaControlAPI
package import PalanaCore

/// How one listener finds out who is asking. Each listener has exactly one way, so that a request cannot choose.
package enum Authenticator: Sendable {
  /// The Unix socket: user 0 and the daemon's own user are operators, everybody else is a person with their own agents.
  case peerCredentials(names: UserNames, operators: Set<UInt32>)
  /// TCP: one bearer token, whose holder is an operator with this identity.
  case token(Redacted<String>, identity: UserIdentity)
  /// A cluster: the bearer token is somebody's, and the cluster says whose.
  case review(Review)

  /// Whose a token is. Throws ``AuthenticationFailure`` for nobody's, and ``PalanaError`` when the cluster cannot be asked.
  package typealias Review = @Sendable (_ token: Redacted<String>) async throws -> Caller

  /// The users that the kernel lets replace this daemon anyway.
  package static var localOperators: Set<UInt32> { [0, geteuid()] }

  /// - Throws: ``AuthenticationFailure``.
  package func authenticate(_ fields: HTTPFields, on channel: any Channel) async throws -> Caller {
    switch self {
    case .peerCredentials(let names, let operators):
      let credentials: PeerCredentials
      do { credentials = try await PeerCredentials.of(channel) } catch {
        throw AuthenticationFailure("no_peer_credentials", error)
      }
      let identity = try await names.identity(of: credentials.userID)
      return Caller(
        identity: identity, isOperator: operators.contains(credentials.userID), authentication: .peerCredentials)
    case .token(let expected, let identity):
      guard expected.matches(try Self.bearer(fields, hint: "send ‘Authorization: Bearer TOKEN’, or use the Unix socket")) else {
        throw Self.unknown
      }
      return Caller(
        identity: identity, isOperator: true, authentication: .token, source: Self.source(of: channel))
    case .review(let review):
      var caller = try await review(try Self.bearer(fields, hint: "send the token with which you sign in to the cluster"))
      caller.source = Self.source(of: channel)
      return caller
    }
  }

  /// A token that is nobody's.
  package static var unknown: AuthenticationFailure {
    AuthenticationFailure("token_wrong", PalanaError(.denied, "this token is not known"))
  }

  static func bearer(_ fields: HTTPFields, hint: String) throws(AuthenticationFailure) -> Redacted<String> {
    let values = fields[values: .authorization]
    guard let header = values.first else {
      throw AuthenticationFailure("token_missing", PalanaError(.denied, "a token is needed", hint: hint))
    }
    // Two credentials in one request: whoever decided before us may have looked at the other one.
    guard values.count == 1, let space = header.firstIndex(of: " "), header[..<space].lowercased() == "bearer" else { throw unknown }
    return Redacted(String(header[header.index(after: space)...]))
  }

  /// Address and port of the peer; nil on a Unix socket.
  static func source(of channel: any Channel) -> AuditEvent.Source? {
    guard let address = channel.remoteAddress, let text = address.ipAddress, let ip = IPAddress(text) else {
      return nil
    }
    return AuditEvent.Source(ip: ip, port: address.port ?? 0)
  }
}

/// A request whose sender is not known.
package struct AuthenticationFailure: Error {
  /// From a short closed list, for the audit trail.
  package var reason: String
  package var error: PalanaError

  package init(_ reason: String, _ error: PalanaError) {
    self.reason = reason
    self.error = error
  }
}
