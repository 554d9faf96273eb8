import PalanaCluster
import PalanaControl
import PalanaCore

/// Which programs of a cluster may hand in their audit trails: those that run as one of these accounts, with a token for this alone.
struct CollectionSenders: Sendable {
  static let usualAudience = "palana-audit"
  /// Where the API server says which pod a token was made for (`TokenReview`, `status.user.extra`).
  private static let podName = "authentication.kubernetes.io/pod-name"

  var accounts: Set<String>
  var audience: String

  /// - Throws: ``AuthenticationFailure`` for somebody who is not meant, and for a token that is no pod's: then nobody could say where the
  ///   events come from.
  func sender(_ subject: TokenReviewer.Subject) throws(AuthenticationFailure) -> AuditSender {
    guard accounts.contains(subject.user) else {
      throw AuthenticationFailure(
        "sender_unknown", PalanaError(.denied, "the audit trail of ‘\(subject.user.prefix(100))’ is not collected here"))
    }
    guard let pods = subject.extra[Self.podName], pods.count == 1, let pod = pods.first, (1...253).contains(pod.utf8.count) else {
      throw AuthenticationFailure(
        "sender_without_pod", PalanaError(.denied, "the token was not made for a pod", hint: "use a projected token of the pod"))
    }
    do throws(PalanaError) { return AuditSender(identity: try UserIdentity(subject.user), pod: pod) } catch {
      throw AuthenticationFailure("sender_unknown", error)
    }
  }
}
