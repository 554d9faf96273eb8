import Fuzzing
import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

@testable import PalanaEgress

/// Where credentials stand in requests, and in answers of token endpoints.
extension FuzzTarget {
  private static let scanner = PlaceholderScanner(["TOKEN_A", "TOKEN_AB", "ghp_0123456789", "xoxb-1"])

  /// The places lie in order within the bytes, and nothing with the generic shape lies outside of them.
  static let placeholder = FuzzTarget(
    name: "placeholder", texts: ["Bearer TOKEN_A", "TOKEN_ABTOKEN_A", "xghp_0123456789x", "xoxb-1xoxb-12", "TOKEN_ TOKEN_AB_TOKEN_"]
  ) { bytes in
    var end = 0
    for match in scanner.matches(in: bytes.span) {
      guard match.range.lowerBound >= end, !match.range.isEmpty, match.range.upperBound <= bytes.count else {
        return "\(match.range) after \(end)"
      }
      end = match.range.upperBound
    }
    let isThere = scanner.firstMatch(in: bytes.span) != nil
    return isThere == (end > 0) ? nil : "the first match and all matches disagree"
  }

  static let basic = FuzzTarget(
    name: "basic", texts: ["Basic dXNlcjpUT0tFTl9B", "basic\tYTpi", "BASIC   YTpiOmM=", "Bearer x"]
  ) { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    guard let decoded = BasicCredentials.decoded(text) else { return nil }
    let again = BasicCredentials.decoded("Basic " + String(decoding: Base64.encode(decoded), as: UTF8.self))
    return decoded.isEmpty || again == decoded ? nil : "it is not read back"
  }

  /// The first line is the type of a body, the rest the body: no placeholder is taken for something else.
  static let places = FuzzTarget(
    name: "places",
    texts: [
      "application/json\n{\"a\":[\"TOKEN_A\",1.5e3,null,{\"b\":\"\\u0054OKEN_A\"}]}",
      "application/x-www-form-urlencoded\na=TOKEN_A&b=%54OKEN_A+c",
      "multipart/form-data; boundary=x\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nTOKEN_A\r\n--x--\r\n",
    ]
  ) { bytes in
    let type = String(decoding: bytes.prefix { $0 != 10 }, as: UTF8.self)
    let body = ByteBuffer(bytes: bytes.drop { $0 != 10 }.dropFirst())
    var isBroken = false
    let found = try? BodyPlaces.find(body, type: type, scanner) { (text, encoding, places) throws(Refusal) in
      for match in scanner.matches(in: text.bytes.span) {
        let range = text.source(of: match.range)
        if range.upperBound > body.readableBytes { isBroken = true }
        places.add(PlacedText.Substitution(range: range, binding: 0, encoding: encoding))
      }
    }
    guard let found else { return nil }
    if isBroken { return "a place is outside of the body" }
    guard let filled = found.text.filled(with: [Redacted("value\"&x")]) else { return nil }
    return Spellings.holdPlaceholder(filled.span, scanner) ? "a placeholder is left" : nil
  }

  /// No token of an answer reaches the agent.
  static let tokens = FuzzTarget(
    name: "tokens",
    texts: [
      "{\"access_token\":\"secret-1\",\"expires_in\":3600,\"refresh_token\":\"secret-2\"}",
      "[{\"a\":{\"id_token\":\"secret-3\",\"expires_in\":\"9\"}},{\"access_token\":null}]",
    ]
  ) { bytes in
    var tokens: [String] = []
    let replaced = try? TokenResponse.replacing(bytes) { token in
      tokens.append(token.value)
      return "given"
    }
    guard let replaced else { return nil }
    var again: [String] = []
    _ = try? TokenResponse.replacing(replaced) { token in
      again.append(token.value)
      return ""
    }
    return again == tokens.map { _ in "given" } ? nil : "\(tokens.count) tokens became \(again)"
  }
}
