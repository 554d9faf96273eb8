package import PalanaCore

/// How a pod logs in: with the token of its service account, at the auth method `kubernetes` of Vault and OpenBao.
package struct KubernetesLogin: Hashable, Sendable {
  /// Where the auth method usually is.
  package static let usualMount = "kubernetes"
  /// Where pods of the platform have a token whose audience is the secret store alone. The API server does not take it.
  package static let usualTokenFile = "/var/run/secrets/palana.dev/vault/token"
  /// The audience of these tokens.
  package static let usualAudience = "vault"

  package let role: String
  /// Below `auth/`, without a slash.
  package let mount: String
  /// Read at each login: the kubelet replaces what is in it.
  package let tokenFile: String

  /// - Throws: ``PalanaError`` with code `invalid` for a role or a mount that is not letters, digits, `-`, `_` and `.`.
  package init(role: String, mount: String = usualMount, tokenFile: String = usualTokenFile) throws(PalanaError) {
    guard Self.isName(role) else {
      throw PalanaError(.invalid, "‘\(role.prefix(80))’ is not the name of a role of the secret store")
    }
    try Self.check(mount: mount)
    self.role = role
    self.mount = mount
    self.tokenFile = tokenFile
  }

  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func check(mount: String) throws(PalanaError) {
    guard isName(mount) else {
      throw PalanaError(
        .invalid, "‘\(mount.prefix(80))’ is not the name of an auth method of the secret store", hint: "for example kubernetes")
    }
  }

  /// What is one segment of a path and of a policy whatever it says.
  private static func isName(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count) && text.first != "."
      && text.utf8.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [45, 46, 95].contains(byte)
      }
  }
}
