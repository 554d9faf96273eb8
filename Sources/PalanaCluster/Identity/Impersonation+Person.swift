package import PalanaKube

extension Impersonation {
  /// The group that stands for `system:masters`, whose members the API server lets nobody impersonate by constrained impersonation. It has
  /// the role `palana-admin`.
  package static let masters = "palana:masters"

  /// As somebody who has signed in, with all that the API server lets the control API say of them.
  package init(signedIn user: String, groups: [String], uid: String?, extra: [String: [String]]) {
    // The groups of service accounts follow from their name, and may not be said.
    guard !user.hasPrefix("system:serviceaccount:") else {
      self.init(user: user)
      return
    }
    // The API server adds the first one to everybody who is signed in.
    let said = groups.filter { $0 != "system:authenticated" && $0 != "system:masters" }
    self.init(user: user, groups: said + (groups.contains("system:masters") ? [Self.masters] : []), uid: uid, extra: extra)
  }
}
