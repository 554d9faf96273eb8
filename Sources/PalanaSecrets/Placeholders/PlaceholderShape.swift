package import PalanaCore

/// The shapes that programs check a credential for before they send it. A placeholder of a shape is made at random when
/// the secret is added.
///
/// Every one of them holds a `K` where its alphabet has one, as `TOKEN_` does: the scanner looks for a byte that all
/// placeholders of an agent have in common.
package enum PlaceholderShape: String, CaseIterable, Sendable {
  case slackBot = "slack-bot"
  case slackUser = "slack-user"
  case slackApp = "slack-app"
  case githubPAT = "github-pat"
  case githubFineGrained = "github-fine-grained"
  case gitlab
  case openai
  case anthropic
  case stripe
  case awsAccessKey = "aws-access-key"
  /// Three parts that parse as a token signed with HS256, valid until 2100. Its signature fits no key.
  case jwt
  case hex
  case uuid

  /// Reads `shape:NAME`; nil for a text that does not begin so.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` for an unknown name.
  package static func parse(_ text: String) throws(PalanaError) -> PlaceholderShape? {
    guard text.hasPrefix("shape:") else { return nil }
    guard let shape = PlaceholderShape(rawValue: String(text.dropFirst(6))) else {
      throw PalanaError(
        .invalid, "‘\(SecretNames.shown(text))’ is not a shape of a placeholder",
        hint: "shapes are \(allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return shape
  }

  /// Whether a key of a secret with these keys gets a placeholder of this shape. Of the parts of an AWS credential only the
  /// identifier has the shape of one.
  func suits(key: String, of keys: [String]) -> Bool {
    self != .awsAccessKey || keys.count == 1 || key == "access_key_id"
  }

  /// A new placeholder that is none of `taken`, and that the rules for chosen ones accept: by chance one may have no digit.
  func make(besides taken: Set<String>) -> String {
    var generator = SystemRandomNumberGenerator()
    while true {
      let text = make(&generator)
      if !taken.contains(text), (try? PlaceholderRules.check(text)) != nil { return text }
    }
  }

  private func make(_ generator: inout some RandomNumberGenerator) -> String {
    func some(_ count: Int, _ alphabet: String) -> String {
      let bytes = Array(alphabet.utf8)
      return String(
        decoding: (0..<count).map { _ in bytes[Int.random(in: 0..<bytes.count, using: &generator)] }, as: UTF8.self)
    }
    let digits = "0123456789"
    let capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    let letters = capitals + capitals.lowercased() + digits
    let hexadecimal = "0123456789abcdef"
    switch self {
    case .slackBot: return "xoxb-\(some(12, digits))-\(some(13, digits))-K\(some(23, letters))"
    case .slackUser: return "xoxp-\(some(12, digits))-\(some(12, digits))-\(some(13, digits))-K\(some(31, letters))"
    case .slackApp: return "xapp-1-AK\(some(9, capitals + digits))-\(some(13, digits))-\(some(64, hexadecimal))"
    case .githubPAT: return "ghp_K\(some(35, letters))"
    case .githubFineGrained: return "github_pat_K\(some(21, letters))_\(some(59, letters))"
    case .gitlab: return "glpat-K\(some(19, letters))"
    case .openai: return "sk-proj-K\(some(47, letters))"
    case .anthropic: return "sk-ant-api03-K\(some(92, letters))AA"
    case .stripe: return "sk_live_K\(some(23, letters))"
    // What follows the prefix is in base 32.
    case .awsAccessKey: return "AKIA\(some(16, capitals + "234567"))"
    case .jwt:
      let header = Self.base64URL(#"{"alg":"HS256","typ":"JWT"}"#)
      let payload = Self.base64URL(#"{"sub":"placeholder","exp":4102444800,"jti":"\#(some(24, hexadecimal))"}"#)
      return "\(header).\(payload).K\(some(42, letters + "-_"))"
    case .hex: return some(40, hexadecimal)
    case .uuid:
      let tail = some(3, hexadecimal)
      return
        "\(some(8, hexadecimal))-\(some(4, hexadecimal))-4\(some(3, hexadecimal))-\(some(1, "89ab"))\(tail)-\(some(12, hexadecimal))"
    }
  }

  /// Base64 for URLs without padding (RFC 4648 §5).
  private static func base64URL(_ text: String) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    var result: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for byte in text.utf8 {
      bits = bits << 8 | UInt32(byte)
      count += 8
      while count >= 6 {
        count -= 6
        result.append(alphabet[Int(bits >> UInt32(count) & 63)])
      }
    }
    if count > 0 { result.append(alphabet[Int(bits << UInt32(6 - count) & 63)]) }
    return String(decoding: result, as: UTF8.self)
  }
}
