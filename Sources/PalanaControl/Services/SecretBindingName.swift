import Crypto
import PalanaAPI
import PalanaCore

/// The name under which the binding of a secret stands in the store.
enum SecretBindingName {
  /// A readable part and ten hexadecimal digits over agent and secret: the readable part alone is ambiguous
  /// (`a` + `B_C`, `a-b` + `C`). The same pair always gives the same name, so two bindings of one secret cannot stand.
  static func name(of spec: SecretBindingSpec) throws(PalanaError) -> ResourceName {
    var hash = SHA256()
    hash.update(data: Array(spec.agent.utf8) + [0] + Array(spec.secret.utf8))
    let digits = hash.finalize().prefix(5).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    return try ResourceName("\(SanitizedName(sanitizing: "\(spec.agent)-\(spec.secret)", limit: 29))-\(digits)")
  }
}
