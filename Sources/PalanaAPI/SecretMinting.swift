/// What the gateway makes of a secret that is not itself a credential for requests: it asks somebody for a short token with it.
package enum SecretMinting: String, Codable, Sendable, CaseIterable {
  /// The private key of a GitHub App, for tokens of one installation.
  case githubApp = "github-app"
  /// The credentials of an OAuth client, for tokens by the client credentials grant (RFC 6749 §4.4).
  case oauthClient = "oauth-client"
}
