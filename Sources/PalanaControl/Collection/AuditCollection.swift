import HTTPTypes
import PalanaAudit
import PalanaControlAPI
package import PalanaCore
package import PalanaStore

/// A part of the platform that hands in its audit trail, as the cluster knows it.
package struct AuditSender: Hashable, Sendable {
  /// The service account, `system:serviceaccount:NAMESPACE:NAME`.
  package let identity: UserIdentity
  package let pod: String

  package init(identity: UserIdentity, pod: String) {
    self.identity = identity
    self.pod = pod
  }
}

/// Takes the audit trails of other parts of the platform into the one of this process.
package struct AuditCollection: Sendable {
  private let log: AuditLog
  private let review: @Sendable (_ token: Redacted<String>) async throws -> AuditSender
  /// Of refusals that are written down: a sender that is not what it should be must not fill the disk with them.
  let failures = FailureBudget(perMinute: 10)

  /// - Parameter review: whose a token is that was made for this alone. Throws ``AuthenticationFailure`` for nobody's, and ``PalanaError``
  ///   when the cluster cannot be asked.
  package init(log: AuditLog, review: @escaping @Sendable (_ token: Redacted<String>) async throws -> AuditSender) {
    self.log = log
    self.review = review
  }

  /// - Throws: ``AuthenticationFailure``; ``PalanaError`` with code `unreachable`.
  func sender(_ fields: HTTPFields) async throws -> AuditSender {
    try await review(try Authenticator.bearer(fields, hint: "a token of the pod for the collection of audit trails"))
  }

  func position(of chain: String, _ sender: AuditSender) async throws(PalanaError) -> AuditPosition {
    AuditPosition(try await log.collected(from: try source(chain, sender)))
  }

  /// - Throws: ``PalanaError``: `invalid` for what is no batch, `unreachable` when there is no room, `failed`.
  func take(_ bytes: [UInt8], of chain: String, _ sender: AuditSender) async throws(PalanaError) -> AuditPosition {
    AuditPosition(try await log.collect(try AuditBatch(parsing: bytes), from: try source(chain, sender)))
  }

  private func source(_ chain: String, _ sender: AuditSender) throws(PalanaError) -> AuditSource {
    try AuditSource(chain: chain, account: sender.identity.raw, pod: sender.pod)
  }
}

extension AuditPosition {
  fileprivate init(_ link: AuditVerifier.Link) { self.init(seq: link.seq, hash: link.hash) }
}
