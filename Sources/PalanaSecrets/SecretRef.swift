package import PalanaAPI
package import PalanaCore

/// Where one value lives in the secret store: a key of a secret of an agent.
package struct SecretRef: Hashable, Sendable, CustomStringConvertible {
  package var path: SecretPath
  package var key: String
  /// Set when the value is not stored there, but a token that is made with what is.
  package var minting: SecretMinting?

  package init(path: SecretPath, key: String, minting: SecretMinting? = nil) {
    self.path = path
    self.key = key
    self.minting = minting
  }

  package var description: String { "\(path)#\(key)" }
}

/// A secret of an agent in the KV version 2 engine.
package struct SecretPath: Hashable, Sendable, CustomStringConvertible {
  package enum Area: String, Sendable, CaseIterable {
    /// `kv/agents/{user}/{agent}/{secret}`: the agent may read it.
    case agents
    /// `kv/proxy-secrets/{user}/{agent}/{secret}`: only the gateway may.
    case proxySecrets = "proxy-secrets"
  }

  package var area: Area
  package var owner: UserIdentity
  package var agent: ResourceName
  /// `[A-Za-z_][A-Za-z0-9_]{0,63}`.
  package var secret: String

  package init(area: Area, owner: UserIdentity, agent: ResourceName, secret: String) {
    self.area = area
    self.owner = owner
    self.agent = agent
    self.secret = secret
  }

  /// `{area}/{user}/{agent}/{secret}` with the owner in a form that is safe in a path and still unique.
  package var description: String { "\(area.rawValue)/\(SecretPath.segment(of: owner))/\(agent)/\(secret)" }

  /// The owner as one path segment: unreserved characters and `@` stay, everything else becomes `=XX` (upper-case hexadecimal),
  /// so that two identities never share a path. `.` alone and `..` are escaped too.
  package static func segment(of owner: UserIdentity) -> String {
    var text = ""
    let dotsOnly = owner.raw.allSatisfy { $0 == "." }
    for byte in owner.raw.utf8 {
      let scalar = UnicodeScalar(byte)
      let isPlain = Character(scalar).isASCII && (Character(scalar).isLetter || Character(scalar).isNumber)
      if isPlain || byte == 64 || byte == 45 || byte == 95 || (byte == 46 && !dotsOnly) {
        text.unicodeScalars.append(scalar)
      } else {
        let hex = String(byte, radix: 16, uppercase: true)
        text += hex.utf8.count == 1 ? "=0\(hex)" : "=\(hex)"
      }
    }
    return text
  }
}
