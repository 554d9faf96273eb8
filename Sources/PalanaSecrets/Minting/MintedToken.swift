import FoundationEssentials
package import PalanaCore
import PalanaPolicy

/// A short-lived token, with how long it may be used from the moment it was asked for.
package struct MintedToken: Sendable {
  package let value: Redacted<String>
  package let life: Duration

  /// A token is asked for anew at least this often, however long it would hold: so long is the time in which a key that
  /// was taken away at the provider still works here.
  package static let longestLife = Duration.seconds(3600)
  /// The life of a token whose endpoint does not say how long it holds (RFC 6749 §5.1 lets it).
  package static let unsaidLife = Duration.seconds(300)
  /// Bytes of the longest token.
  package static let longest = 16_384

  /// - Throws: ``PalanaError`` with code `failed` for what cannot stand in a header, or does not hold any more.
  init(_ value: Redacted<String>, life: Duration) throws(PalanaError) {
    let bytes = value.reveal().utf8
    guard (1...Self.longest).contains(bytes.count), bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw PalanaError(.failed, "the token endpoint sent a token that cannot stand in a request")
    }
    guard life > .zero else {
      throw PalanaError(.failed, "the token endpoint sent a token that has expired already")
    }
    self.value = value
    self.life = min(life, Self.longestLife)
  }
}

/// Reads what token endpoints answer. Errors are constants: nothing of an answer is quoted, since it may hold a token.
enum TokenAnswerReader {
  static let malformed = PalanaError(.failed, "the token endpoint sent an answer of an unexpected form")

  /// - Throws: ``PalanaError`` with code `denied` when the endpoint refused, `unreachable` when it may be asked again later.
  static func check(_ answer: TokenAnswer, at endpoint: TokenEndpoint) throws(PalanaError) {
    switch answer.status {
    case 200, 201: return
    case 400, 401, 403, 404, 422:
      throw PalanaError(
        .denied, "the token endpoint at \(endpoint.authority.host) refused the credential (status \(answer.status))",
        hint: "check the parameters of the secret; pcli secrets rotate replaces them")
    case 300..<400:
      throw PalanaError(.failed, "the token endpoint at \(endpoint.authority.host) redirects, which is not followed")
    case 429, 500...599:
      throw PalanaError(
        .unreachable, "the token endpoint at \(endpoint.authority.host) is not ready (status \(answer.status))")
    default:
      throw PalanaError(.failed, "the token endpoint at \(endpoint.authority.host) answered with status \(answer.status)")
    }
  }

  static func decode<Value: Decodable>(_ type: Value.Type, _ body: Redacted<[UInt8]>) throws(PalanaError) -> Value {
    do { return try JSONDecoder().decode(type, from: Data(body.reveal())) } catch { throw malformed }
  }
}
