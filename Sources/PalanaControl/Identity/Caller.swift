package import PalanaAudit
package import PalanaControlAPI
package import PalanaCore

/// Who is asking, as authorization sees it. Made by an ``Authenticator`` only.
package struct Caller: Hashable, Sendable {
  /// What the sign-in of a cluster says of somebody besides the name.
  package struct Account: Hashable, Sendable {
    package var groups: [String]
    package var uid: String?
    package var extra: [String: [String]]

    package init(groups: [String] = [], uid: String? = nil, extra: [String: [String]] = [:]) {
      self.groups = groups
      self.uid = uid
      self.extra = extra
    }
  }

  /// Raw identity on whose behalf this request acts.
  package var identity: UserIdentity
  /// Whether the rights of an operator hold for this request. False for an operator who impersonates: the request can
  /// do what the impersonated person could do and nothing more.
  package var isOperator: Bool
  package var authentication: WhoAmI.Authentication
  /// The operator behind an impersonation.
  package var impersonatedBy: UserIdentity?
  /// Where the connection came from; nil on a Unix socket.
  package var source: AuditEvent.Source?
  /// Of ``actor``; nil on one machine.
  package var account: Account?

  package init(
    identity: UserIdentity, isOperator: Bool, authentication: WhoAmI.Authentication,
    impersonatedBy: UserIdentity? = nil, source: AuditEvent.Source? = nil, account: Account? = nil
  ) {
    self.identity = identity
    self.isOperator = isOperator
    self.authentication = authentication
    self.impersonatedBy = impersonatedBy
    self.source = source
    self.account = account
  }

  /// Who really acts: this stands in the audit trail.
  package var actor: UserIdentity { impersonatedBy ?? identity }

  /// The same connection acting for somebody else.
  ///
  /// - Throws: ``PalanaError`` with code `denied` unless the caller is an operator.
  package func impersonating(_ user: UserIdentity) throws(PalanaError) -> Caller {
    guard isOperator, impersonatedBy == nil else {
      throw PalanaError(.denied, "only operators may act for somebody else")
    }
    var caller = self
    caller.identity = user
    caller.isOperator = false
    caller.impersonatedBy = identity
    return caller
  }
}
