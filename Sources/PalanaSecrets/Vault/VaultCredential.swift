import PalanaCore

/// How a session proves who it is.
package enum VaultCredential: Hashable, Sendable {
  /// A file with `{"role_id": …, "secret_id": …}`; refused when others can read it.
  case appRole(file: String)
  /// A file that holds a token, which somebody else renews or replaces, for example an agent of Vault.
  case tokenFile(String)
  /// The token of a Kubernetes service account.
  case kubernetes(KubernetesLogin)
}

/// What a login or a renewal gave.
struct VaultLease: Sendable {
  var token: Redacted<String>
  /// How long the token holds. Zero: for ever.
  var duration: Duration
  var isRenewable: Bool
  /// How long the login gave it; renewals give less when its end, which nothing puts off, is near.
  var granted: Duration

  init(token: Redacted<String>, duration: Duration, isRenewable: Bool) {
    self.token = token
    self.duration = duration
    self.isRenewable = isRenewable
    granted = duration
  }
}
