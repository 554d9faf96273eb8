import PalanaCluster
import PalanaControl
import PalanaControlAPI
import PalanaCore

/// Who of those whom a cluster knows may use the platform, and who as an operator. What they may do there is the cluster's to say.
struct ClusterPeople: Sendable {
  var operatorUsers: Set<String>
  var operatorGroups: Set<String>
  var users: Set<String>
  var groups: Set<String>

  /// - Throws: ``AuthenticationFailure`` for somebody who is not meant.
  func caller(_ subject: TokenReviewer.Subject) throws(AuthenticationFailure) -> Caller {
    let isOperator = operatorUsers.contains(subject.user) || !operatorGroups.isDisjoint(with: subject.groups)
    // The cluster's own programs sign in as well, each pod with the account that it runs as; they own no agents.
    let isProgram = subject.user.hasPrefix("system:")
    let isUser = users.contains(subject.user) || !groups.isDisjoint(with: subject.groups)
    guard isOperator || isUser && !isProgram else {
      throw AuthenticationFailure(
        "not_admitted",
        PalanaError(
          .denied, "‘\(subject.user.prefix(100))’ may not use this platform",
          hint: isProgram ? "programs act as operators: operators.users in the configuration of the control API" : "ask its operators"))
    }
    do throws(PalanaError) {
      return Caller(
        identity: try UserIdentity(subject.user), isOperator: isOperator, authentication: .token,
        account: .init(groups: subject.groups, uid: subject.uid, extra: subject.extra))
    } catch {
      throw AuthenticationFailure("not_admitted", error)
    }
  }
}
