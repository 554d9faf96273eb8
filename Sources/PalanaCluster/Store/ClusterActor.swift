package import PalanaCore
package import PalanaKube

/// On whose behalf a request to the API server is made. There is no default: whoever makes a store says who acts.
package enum ClusterActor: Sendable {
  /// A person who was authenticated. Every read and write is judged by their rights.
  case person(Impersonation, identity: UserIdentity, isOperator: Bool)
  /// The platform itself, with the rights of its own account.
  case platform
}

extension KubeClient {
  func acting(_ actor: ClusterActor) -> KubeClient {
    switch actor {
    case .person(let impersonation, _, _): impersonating(impersonation)
    case .platform: self
    }
  }
}
