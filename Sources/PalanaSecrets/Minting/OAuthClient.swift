import FoundationEssentials
import PalanaCore

/// The client credentials grant (RFC 6749 §4.4).
struct OAuthClient: Sendable {
  /// What a person stores.
  enum Parameter: String, CaseIterable {
    case tokenURL = "token_url"
    case clientID = "client_id"
    case clientSecret = "client_secret"
    case scope
    /// Some servers ask for it besides the scope.
    case audience
    /// `basic` (the default) or `body`: where the client's own credential stands (RFC 6749 §2.3.1).
    case authStyle = "auth_style"
  }

  static let required: [Parameter] = [.tokenURL, .clientID, .clientSecret]

  let endpoint: TokenEndpoint
  private let authorization: Redacted<String>?
  private let body: Redacted<String>

  /// - Throws: ``PalanaError`` with code `invalid` that names the parameter and never its value.
  init(_ values: [String: Redacted<String>]) throws(PalanaError) {
    func text(_ parameter: Parameter) -> String? { values[parameter.rawValue]?.reveal() }
    func needed(_ parameter: Parameter) throws(PalanaError) -> String {
      guard let text = text(parameter), (1...4096).contains(text.utf8.count) else {
        throw PalanaError(.invalid, "\(parameter.rawValue): 1 to 4096 bytes are needed")
      }
      return text
    }
    do throws(PalanaError) { endpoint = try TokenEndpoint(try needed(.tokenURL)) } catch {
      throw PalanaError(error.code, "token_url: \(error.message)", hint: error.hint)
    }
    let client = Self.encoded(try needed(.clientID))
    let secret = Self.encoded(try needed(.clientSecret))
    var fields = ["grant_type=client_credentials"]
    for parameter in [Parameter.scope, .audience] {
      if text(parameter) != nil { fields.append("\(parameter.rawValue)=\(Self.encoded(try needed(parameter)))") }
    }
    switch text(.authStyle) ?? "basic" {
    case "basic":
      authorization = Redacted("Basic " + Data("\(client):\(secret)".utf8).base64EncodedString())
    case "body":
      authorization = nil
      fields += ["client_id=\(client)", "client_secret=\(secret)"]
    default: throw PalanaError(.invalid, "auth_style: it is neither basic nor body")
    }
    body = Redacted(fields.joined(separator: "&"))
  }

  func request() -> TokenRequest {
    TokenRequest(
      endpoint: endpoint, accept: "application/json", authorization: authorization,
      contentType: "application/x-www-form-urlencoded", body: body)
  }

  func token(from answer: TokenAnswer) throws(PalanaError) -> MintedToken {
    try TokenAnswerReader.check(answer, at: endpoint)
    let found = try TokenAnswerReader.decode(Answer.self, answer.body)
    // RFC 6749 §7.1: a client must not use a token whose type it does not know.
    guard found.type.lowercased() == "bearer" else {
      throw PalanaError(.failed, "the token endpoint sent a token of another type than bearer")
    }
    return try MintedToken(found.token.value, life: found.life)
  }

  /// `application/x-www-form-urlencoded`: everything but unreserved characters is percent-encoded.
  private static func encoded(_ text: String) -> String {
    var result: [UInt8] = []
    let digits = Array("0123456789ABCDEF".utf8)
    for byte in text.utf8 {
      switch byte {
      case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
        result.append(byte)
      default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private struct Answer: Decodable {
    var token: SecretText
    var type: String
    var holds: Seconds?

    var life: Duration { holds?.life ?? MintedToken.unsaidLife }

    /// RFC 6749 §5.1.
    enum CodingKeys: String, CodingKey {
      case token = "access_token"
      case type = "token_type"
      case holds = "expires_in"
    }

    /// A number, which some servers write as a text.
    struct Seconds: Decodable {
      var life: Duration

      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let number: Double
        if let text = try? container.decode(String.self) {
          guard let value = Double(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no number")
          }
          number = value
        } else {
          number = try container.decode(Double.self)
        }
        // Whatever it says, the life is bounded before it becomes a duration.
        guard number.isFinite else { throw DecodingError.dataCorruptedError(in: container, debugDescription: "no number") }
        life = .seconds(Int64(min(max(number, 0), 1_000_000)))
      }
    }
  }
}
