import PalanaAPI
import PalanaCore
import PalanaKube

/// What only the platform writes, on behalf of a person who may.
extension KubeStore {
  /// The client for a write: the caller's own, but for two kinds. A secret binding says what the store of secrets holds, so people do not
  /// write one themselves; here it is written once the cluster says that they might. An order about one's own agents needs no rights but
  /// that they are one's own: rights to write orders could not be bounded to that.
  ///
  /// - Throws: ``PalanaError`` with code `denied`.
  func writer<Spec: ResourceSpec>(
    _ verb: String, _ resource: Resource<Spec>, in namespace: String?
  ) async throws(PalanaError) -> KubeClient {
    guard case .person(let impersonation, let identity, let isOperator) = actor else { return client }
    switch resource.spec {
    case is SecretBindingSpec:
      try await AccessQuestion(stores.client).require(impersonation, to: verb, Spec.kube, in: namespace ?? "")
      return stores.client
    case let order as KillOrderSpec where !isOperator && Self.isOwn(order.target, of: identity): return stores.client
    default: return client
    }
  }

  /// Whether a kill can only be about agents of this owner.
  static func isOwn(_ target: KillOrderSpec.Target, of identity: UserIdentity) -> Bool {
    switch target {
    case .owner(let owner): owner == identity
    case .agent(let id):
      // The identifier begins with the name and ends in ten digits over owner and name.
      (try? ResourceName(String(id.text.dropLast(11)))).map { AgentID(owner: identity, name: $0) == id } ?? false
    case .template, .all: false
    }
  }
}
