/// Secrets whose name says which service they are for. They get that service's hosts and places when the person who adds
/// them names none.
package struct WellKnownSecret: Hashable, Sendable {
  /// The name is this, or starts with this and `_`.
  package var prefix: String
  /// As in ``SecretBindingSpec/hosts``.
  package var hosts: [String]
  /// As in ``SecretBindingSpec/places``.
  package var places: [String]

  /// The entry for a secret of this name, in any case.
  package static func named(_ secret: String) -> WellKnownSecret? {
    let name = secret.uppercased()
    return all.first { name == $0.prefix || name.hasPrefix($0.prefix + "_") }
  }

  /// Exact hosts only: a wildcard here would trust names that nobody looked at.
  package static let all: [WellKnownSecret] = [
    // git over HTTPS uses Basic with github.com, everything else a bearer token with the API.
    WellKnownSecret(
      prefix: "GITHUB", hosts: ["api.github.com", "github.com", "uploads.github.com"],
      places: ["header:authorization", "basic"]),
    WellKnownSecret(prefix: "GH", hosts: ["api.github.com", "github.com"], places: ["header:authorization", "basic"]),
    WellKnownSecret(
      prefix: "GITLAB", hosts: ["gitlab.com"], places: ["header:authorization", "header:private-token", "basic"]),
    WellKnownSecret(prefix: "OPENAI", hosts: ["api.openai.com"], places: ["header:authorization"]),
    WellKnownSecret(
      prefix: "ANTHROPIC", hosts: ["api.anthropic.com"], places: ["header:x-api-key", "header:authorization"]),
    WellKnownSecret(prefix: "SLACK", hosts: ["slack.com"], places: ["header:authorization"]),
  ]
}
