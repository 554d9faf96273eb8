import Logging
import PalanaAPI
import PalanaCluster
import PalanaControl
import PalanaCore
import PalanaKube
import PalanaPolicy
import PalanaSecrets
import PalanaStore

/// What a request of one caller works with: stores and engine that act as that caller and can do nothing else.
struct ControlScopes: Sendable {
  private let stores: ClusterStores
  private let follower: OrderFollower
  private let rights: AccessQuestion
  private let secrets: any SecretWriter
  private let book: PolicyBook
  private let addresses: AddressPolicy
  private let hosts: [CanonicalHost: IPAddress]

  init(
    file: ControlFile, namespace: String, stores: ClusterStores, client: KubeClient, values: ControlDaemon.SecretAccess?, logger: Logger
  ) throws(PalanaError) {
    self.stores = stores
    follower = OrderFollower(stores, namespace: namespace, patience: try file.patience())
    rights = AccessQuestion(client)
    secrets = values?.secrets ?? NoSecretStore()
    book = PolicyBook(guardrails: [], trustsVersions: true, logger: logger)
    var ranges: [CIDR] = []
    for text in file.egress?.allowAddresses ?? [] {
      let range = try CIDR(text)
      try AddressPolicy.validate(range)
      ranges.append(range)
    }
    addresses = AddressPolicy(allowed: ranges, forbiddenEndpoints: [])
    var configuration = LocalConfiguration()
    for (name, text) in file.egress?.hosts ?? [:] {
      guard let address = IPAddress(text) else { throw PalanaError(.invalid, "egress.hosts: ‘\(text.prefix(60))’ is not an address") }
      configuration.egress.dnsHosts[name] = address
    }
    hosts = try configuration.staticHosts()
  }

  /// - Throws: ``PalanaError`` with code `denied` for somebody whom the cluster does not let act for the other.
  func scope(of caller: Caller) async throws(PalanaError) -> ControlScope {
    let actor = try await acting(caller)
    let store = stores.store(for: actor)
    let testing = EgressTesting(store: store, book: book, addresses: addresses, staticHosts: hosts)
    let follower = follower
    return ControlScope(
      store: store, engine: ClusterEngine(stores, for: actor),
      containment: .orders { order, accepted in await follower.follow(order, accepted: accepted) },
      secrets: secrets,
      // Gateways follow the cluster by themselves, each within moments.
      gateway: GatewayNotice(refresh: { () async throws(PalanaError) in }, forget: { _ in }),
      egressTester: testing.explain,
      attacker: { _, _, _ in
        throw PalanaError(
          .invalid, "an agent's way out is attacked from the machine that it runs on: that works on one machine, not in a cluster yet")
      })
  }

  private func acting(_ caller: Caller) async throws(PalanaError) -> ClusterActor {
    guard let account = caller.account else { throw PalanaError(.denied, "nobody is authenticated") }
    guard caller.impersonatedBy != nil else {
      return .person(
        Impersonation(signedIn: caller.actor.raw, groups: account.groups, uid: account.uid, extra: account.extra),
        identity: caller.identity, isOperator: caller.isOperator)
    }
    let own = Impersonation(user: caller.actor.raw, groups: account.groups, uid: account.uid, extra: account.extra)
    try await rights.require(own, toActAs: caller.identity.raw)
    return .person(Impersonation(user: caller.identity.raw), identity: caller.identity, isOperator: false)
  }
}

/// Says that there is no store of secrets.
private struct NoSecretStore: SecretWriter {
  private static let missing = PalanaError(
    .unreachable, "this installation has no store of secrets", hint: "name a Vault or OpenBao server: secrets.address and secrets.tokenFile"
  )

  func add(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access, type: SecretMinting?,
    values: [String: Redacted<String>]
  ) async throws(PalanaError) { throw Self.missing }

  func rotate(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access, type: SecretMinting?,
    values: [String: Redacted<String>]
  ) async throws(PalanaError) { throw Self.missing }

  func remove(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access
  ) async throws(PalanaError) { throw Self.missing }

  func names(_ area: SecretPath.Area, owner: UserIdentity, agent: ResourceName) async throws(PalanaError) -> [String] { [] }

  /// Where nothing can be kept, nothing is left.
  func removeAll(owner: UserIdentity, agent: ResourceName) async throws(PalanaError) {}
}
