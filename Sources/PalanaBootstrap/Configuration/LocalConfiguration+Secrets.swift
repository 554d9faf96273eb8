import PalanaCore
import PalanaLocal
import PalanaSecrets

extension LocalConfiguration {
  /// The secret store that somebody else runs, as the configuration names it.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  func externalStore() throws(PalanaError) -> OpenBaoConfiguration {
    OpenBaoConfiguration(
      mode: .external(
        address: try VaultAddress.parse(secrets.address), credential: try secrets.credential,
        caFile: secrets.caFile.isEmpty ? nil : secrets.caFile))
  }
}

extension LocalConfiguration.Secrets {
  /// How to log in there.
  var credential: VaultCredential {
    get throws(PalanaError) {
      guard !kubernetes.role.isEmpty else { return .tokenFile(tokenFile) }
      return .kubernetes(
        try KubernetesLogin(role: kubernetes.role, mount: kubernetes.mount, tokenFile: kubernetes.tokenFile))
    }
  }
}
