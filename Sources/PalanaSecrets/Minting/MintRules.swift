package import PalanaAPI
package import PalanaCore

/// Which parameters a minted secret has. Messages name the parameter, never its value.
package enum MintRules {
  /// The key under which the agent's placeholder stands for the token.
  package static let key = "token"

  /// The parameter that is itself a secret.
  package static func secretParameter(of minting: SecretMinting) -> String {
    switch minting {
    case .githubApp: GitHubApp.Parameter.privateKey.rawValue
    case .oauthClient: OAuthClient.Parameter.clientSecret.rawValue
    }
  }

  /// Every parameter of a kind, in the order of the documentation.
  package static func parameters(of minting: SecretMinting) -> [String] {
    switch minting {
    case .githubApp: GitHubApp.Parameter.allCases.map(\.rawValue)
    case .oauthClient: OAuthClient.Parameter.allCases.map(\.rawValue)
    }
  }

  /// Checks the parameters of a new secret: all that are needed, no others, each of the right form.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func check(_ values: [String: Redacted<String>], of minting: SecretMinting) throws(PalanaError) {
    try checkNames(values, of: minting)
    let required =
      switch minting {
      case .githubApp: GitHubApp.required.map(\.rawValue)
      case .oauthClient: OAuthClient.required.map(\.rawValue)
      }
    for name in required where values[name] == nil {
      throw PalanaError(
        .invalid, "a secret of the type \(minting.rawValue) needs \(name)",
        hint: "its parameters: \(parameters(of: minting).joined(separator: ", "))")
    }
    switch minting {
    case .githubApp: _ = try GitHubApp(values)
    case .oauthClient: _ = try OAuthClient(values)
    }
  }

  /// Checks some new parameters of a secret that exists: those that are not given keep what they are, and cannot be read here.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func check(replacing values: [String: Redacted<String>], of minting: SecretMinting) throws(PalanaError) {
    guard !values.isEmpty else { throw PalanaError(.invalid, "no parameter is given") }
    try checkNames(values, of: minting)
    // What is not given is filled up with something of the right form, so that the rest is checked as in a new secret.
    switch minting {
    case .githubApp:
      let filled = values.merging(["app_id": Redacted("1"), "installation_id": Redacted("1")]) { given, _ in given }
      if values[GitHubApp.Parameter.privateKey.rawValue] != nil {
        _ = try GitHubApp(filled)
      } else {
        try GitHubApp.checkWithoutKey(filled)
      }
    case .oauthClient:
      let filling = ["token_url": "https://a.test/", "client_id": "a", "client_secret": "a"].mapValues { Redacted($0) }
      _ = try OAuthClient(values.merging(filling) { given, _ in given })
    }
  }

  private static func checkNames(_ values: [String: Redacted<String>], of minting: SecretMinting) throws(PalanaError) {
    let known = parameters(of: minting)
    for name in values.keys.sorted() where !known.contains(name) {
      throw PalanaError(
        .invalid, "a secret of the type \(minting.rawValue) has no parameter ‘\(SecretNames.shown(name))’",
        hint: "its parameters: \(known.joined(separator: ", "))")
    }
    for (name, value) in values where !(1...SecretValueRules.longest).contains(value.reveal().utf8.count) {
      throw PalanaError(.invalid, "\(name): 1 to \(SecretValueRules.longest) bytes are needed")
    }
  }
}
