import PalanaCore

/// A successful answer of an OAuth token endpoint (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
enum TokenResponse {
  /// A credential that the endpoint made.
  struct Token {
    enum Kind { case access, refresh, identity }

    var kind: Kind
    var value: String
    /// How long it may be used, as far as the answer says.
    var life: Duration?
  }

  /// The document with every token replaced, at whatever depth; nil when it has none.
  ///
  /// - Parameter replacement: what the agent gets for a token.
  /// - Throws: ``PalanaError`` with code `invalid` when it is no JSON.
  static func replacing(_ body: [UInt8], with replacement: (Token) -> String) throws(PalanaError) -> [UInt8]? {
    var found = false
    let document = replace(try JSONValue(parsing: body)) { token in
      found = true
      return replacement(token)
    }
    return found ? document.encoded() : nil
  }

  private static func replace(_ value: JSONValue, _ replacement: (Token) -> String) -> JSONValue {
    switch value {
    case .array(let elements): return .array(elements.map { replace($0, replacement) })
    case .object(let object):
      var result = object
      for (name, member) in object {
        if case .string(let text) = member, !text.isEmpty, let kind = kind(name) {
          result[name] = .string(replacement(Token(kind: kind, value: text, life: life(of: kind, object))))
        } else {
          result[name] = replace(member, replacement)
        }
      }
      return .object(result)
    default: return value
    }
  }

  private static func kind(_ name: String) -> Token.Kind? {
    switch name {
    case "access_token": .access
    case "refresh_token": .refresh
    case "id_token": .identity
    default: nil
    }
  }

  private static func life(of kind: Token.Kind, _ object: JSONObject) -> Duration? {
    let names = kind == .refresh ? ["refresh_token_expires_in", "refresh_expires_in"] : ["expires_in"]
    for name in names {
      switch object[name] {
      case .number(let number): if let seconds = number.integer(Int64.self) { return .seconds(seconds) }
      case .string(let text): if let seconds = Int64(text) { return .seconds(seconds) }
      default: continue
      }
    }
    return nil
  }
}
