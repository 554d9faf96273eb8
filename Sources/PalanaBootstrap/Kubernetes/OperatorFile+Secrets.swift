import Logging
import PalanaCore
import PalanaOperator
import PalanaPlan
import PalanaSecrets

extension OperatorFile {
  /// How the files of secrets come into the pods of agents.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` for a store without what else it takes.
  func secretFiles() throws(PalanaError) -> ClusterFacts.SecretFiles? {
    guard let secrets else { return nil }
    guard vault != nil else {
      throw PalanaError(
        .invalid, "secrets: no path leads agents to the store", hint: "vault says where it is: namespace and labels, or cidrs")
    }
    guard let platformImage, !platformImage.isEmpty else {
      throw PalanaError(.invalid, "platformImage: the image of the containers that bring agents their secrets is not named")
    }
    guard case .url(let address) = try VaultAddress.parse(secrets.address).form, address.hasPrefix("https://") else {
      throw PalanaError(.invalid, "secrets.address: agents reach the store at https://HOST[:PORT]")
    }
    let host = Self.host(address)
    return ClusterFacts.SecretFiles(
      image: platformImage, address: address, name: host.flatMap { IPAddress($0) == nil ? $0 : nil },
      mount: try login(secrets).mount, audience: audience(secrets),
      authority: try secrets.caFile.map { file throws(PalanaError) in
        try TextFile.read(file)
      })
  }

  /// The operator's own way to the store, with which it gives agents their rights; nil: it has none.
  func secretStore(logger: Logger) throws(PalanaError) -> OperatorStore? {
    guard let secrets else { return nil }
    let server = try VaultServer(
      address: try VaultAddress.parse(secrets.address), caFile: secrets.caFile, limits: VaultLimits(readAttempts: 1))
    let login = try login(secrets)
    let session = VaultSession(server: server, credential: .kubernetes(login), logger: logger)
    let grants = try AgentGrants(store: VaultClient(server: server, tokens: .session(session)), mount: login.mount)
    return OperatorStore(server: server, session: session, grants: grants, audience: audience(secrets))
  }

  private func audience(_ secrets: Secrets) -> String { secrets.audience ?? KubernetesLogin.usualAudience }

  private func login(_ secrets: Secrets) throws(PalanaError) -> KubernetesLogin {
    try KubernetesLogin(
      role: secrets.kubernetes?.role ?? SecretPurpose.operator.name, mount: secrets.kubernetes?.mount ?? KubernetesLogin.usualMount,
      tokenFile: secrets.kubernetes?.tokenFile ?? KubernetesLogin.usualTokenFile)
  }
}

/// The secret store as the operator uses it.
struct OperatorStore: Sendable {
  let server: VaultServer
  let session: VaultSession
  let grants: AgentGrants
  let audience: String
}
