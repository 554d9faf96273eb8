import PalanaCore
import PalanaEgress
import PalanaLLM
import PalanaSecrets

/// The keys of an installation: made at its first start, kept in the secret store, in memory only where they are used.
enum InstallationKeys {
  /// The authority that signs what agents see instead of upstream certificates.
  static func certificateAuthority(_ secrets: InstallationSecrets) async throws(PalanaError) -> CertificateAuthority {
    let pair = try await secrets.value("egress-ca") { () throws(PalanaError) in
      let made = try CertificateAuthority.generate(
        installation: RandomToken.hex(bytes: 4), now: WallClock.system.now())
      return ["certificate": Redacted(made.certificate), "key": made.key]
    }
    guard let certificate = pair["certificate"], let key = pair["key"] else { throw damaged("egress-ca") }
    return try CertificateAuthority(certificatePEM: certificate.reveal(), keyPEM: key)
  }

  /// What agents' proxy tokens are derived with.
  static func proxyTokens(_ secrets: InstallationSecrets) async throws(PalanaError) -> ProxyTokens {
    let values = try await secrets.value("proxy-token-key") { () throws(PalanaError) in
      ["key": Redacted(RandomToken.hex(bytes: 32))]
    }
    guard let key = values["key"], key.reveal().utf8.count == 64 else { throw damaged("proxy-token-key") }
    return ProxyTokens(key: key.map { Array($0.utf8) })
  }

  /// What the content log of language models is sealed with.
  static func contentLog(_ secrets: InstallationSecrets) async throws(PalanaError) -> ContentKey {
    let values = try await secrets.value("llm-content-key") { () throws(PalanaError) in ["key": ContentKey.make()] }
    guard let text = values["key"] else { throw damaged("llm-content-key") }
    do throws(PalanaError) { return try ContentKey(text: text) } catch { throw damaged("llm-content-key") }
  }

  private static func damaged(_ name: String) -> PalanaError {
    PalanaError(.failed, "the installation's secret ‘\(name)’ is damaged", hint: "restore the secret store from a backup")
  }
}
