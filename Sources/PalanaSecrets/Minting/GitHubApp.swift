import JWTKit
import PalanaCore

/// A GitHub App's installation, whose key makes tokens that hold an hour
/// (GitHub Docs, "Authenticating as a GitHub App installation").
struct GitHubApp: Sendable {
  /// What a person stores.
  enum Parameter: String, CaseIterable {
    case appID = "app_id"
    case installationID = "installation_id"
    /// PEM, as GitHub hands it out (PKCS #1) or as PKCS #8.
    case privateKey = "private_key"
    /// Of the API; another one for GitHub Enterprise Server.
    case baseURL = "base_url"
    /// Names of repositories that the token is limited to, separated by commas.
    case repositories
    /// Permissions that the token is limited to, `contents=read,issues=write`.
    case permissions
  }

  static let required: [Parameter] = [.appID, .installationID, .privateKey]
  static let publicBase = "https://api.github.com"
  /// The JWT holds nine minutes and counts from a minute ago: GitHub takes at most ten, and clocks differ.
  private static let backdated: Int64 = 60
  private static let assertionLife: Int64 = 540

  let endpoint: TokenEndpoint
  private let appID: String
  private let key: Redacted<Insecure.RSA.PrivateKey>
  private let body: String

  /// - Throws: ``PalanaError`` with code `invalid` that names the parameter and never its value.
  init(_ values: [String: Redacted<String>]) throws(PalanaError) {
    key = try Self.key(values[Parameter.privateKey.rawValue]?.reveal())
    (endpoint, appID, body) = try Self.parameters(values)
  }

  /// Checks all that can be without the key.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  static func checkWithoutKey(_ values: [String: Redacted<String>]) throws(PalanaError) { _ = try parameters(values) }

  private static func parameters(
    _ values: [String: Redacted<String>]
  ) throws(PalanaError) -> (endpoint: TokenEndpoint, appID: String, body: String) {
    func text(_ parameter: Parameter) -> String? { values[parameter.rawValue]?.reveal() }
    let installation = try number(text(.installationID), .installationID)
    let appID = try issuer(text(.appID))
    let body = try body(repositories: text(.repositories), permissions: text(.permissions))
    do throws(PalanaError) {
      let endpoint = try TokenEndpoint(
        text(.baseURL) ?? publicBase, appending: "/app/installations/\(installation)/access_tokens")
      return (endpoint, appID, body)
    } catch { throw PalanaError(error.code, "base_url: \(error.message)", hint: error.hint) }
  }

  func request(now: Timestamp) async throws(PalanaError) -> TokenRequest {
    let assertion = try await assertion(now: now)
    return TokenRequest(
      endpoint: endpoint, accept: "application/vnd.github+json", authorization: assertion.map { "Bearer " + $0 },
      contentType: "application/json", body: Redacted(body))
  }

  /// The JWT with which the app proves who it is: RS256 over `iat`, `exp` and `iss`.
  func assertion(now: Timestamp) async throws(PalanaError) -> Redacted<String> {
    let seconds = now.microseconds / 1_000_000
    let keys = await JWTKeyCollection().add(rsa: key.reveal(), digestAlgorithm: .sha256)
    do {
      return Redacted(
        try await keys.sign(
          Claims(iat: seconds - Self.backdated, exp: seconds + Self.assertionLife, iss: appID)))
    } catch {
      throw PalanaError(.failed, "the private key of the GitHub App could not sign")
    }
  }

  func token(from answer: TokenAnswer, askedAt now: Timestamp) throws(PalanaError) -> MintedToken {
    try TokenAnswerReader.check(answer, at: endpoint)
    let found = try TokenAnswerReader.decode(Answer.self, answer.body)
    guard let expires = Timestamp(parsing: found.expires) else { throw TokenAnswerReader.malformed }
    return try MintedToken(found.token.value, life: expires - now)
  }

  // MARK: Parameters

  /// A whole number, as GitHub counts installations.
  private static func number(_ text: String?, _ parameter: Parameter) throws(PalanaError) -> String {
    guard let text, (1...20).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else {
      throw PalanaError(.invalid, "\(parameter.rawValue): a number is needed")
    }
    return text
  }

  /// The number of the app, or its client id.
  private static func issuer(_ text: String?) throws(PalanaError) -> String {
    let isFit: (UInt8) -> Bool = { (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 46 }
    guard let text, (1...64).contains(text.utf8.count), text.utf8.allSatisfy(isFit) else {
      throw PalanaError(.invalid, "app_id: the number of the app or its client id is needed")
    }
    return text
  }

  private static func key(_ text: String?) throws(PalanaError) -> Redacted<Insecure.RSA.PrivateKey> {
    do {
      return Redacted(try Insecure.RSA.PrivateKey(pem: text ?? ""))
    } catch {
      throw PalanaError(
        .invalid, "private_key: it is not an RSA key of at least 2048 bits in PEM form", hint: "write private_key=@FILE.pem")
    }
  }

  private static func body(repositories: String?, permissions: String?) throws(PalanaError) -> String {
    var object = JSONObject()
    if let repositories {
      let names = repositories.split(separator: ",", omittingEmptySubsequences: false)
      guard names.count <= 500, names.allSatisfy(isWord) else {
        throw PalanaError(.invalid, "repositories: names without owner are needed, separated by commas")
      }
      object["repositories"] = .array(names.map { .string(String($0)) })
    }
    if let permissions {
      var granted = JSONObject()
      for part in permissions.split(separator: ",", omittingEmptySubsequences: false) {
        let halves = part.split(separator: "=", omittingEmptySubsequences: false)
        guard halves.count == 2, isWord(halves[0]), ["read", "write", "admin"].contains(halves[1]) else {
          throw PalanaError(
            .invalid, "permissions: NAME=read, NAME=write or NAME=admin is needed, separated by commas",
            hint: "for example contents=read,issues=write")
        }
        granted[String(halves[0])] = .string(String(halves[1]))
      }
      object["permissions"] = .object(granted)
    }
    return String(decoding: JSONValue.object(object).encoded(), as: UTF8.self)
  }

  private static func isWord(_ text: Substring) -> Bool {
    (1...100).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "-_.".utf8.contains($0)
      }
  }

  private struct Claims: JWTPayload {
    var iat: Int64
    var exp: Int64
    var iss: String

    /// Never read here, only signed.
    func verify(using algorithm: some JWTAlgorithm) async throws {}
  }

  private struct Answer: Decodable {
    var token: SecretText
    var expires: String

    enum CodingKeys: String, CodingKey {
      case token
      case expires = "expires_at"
    }
  }
}
