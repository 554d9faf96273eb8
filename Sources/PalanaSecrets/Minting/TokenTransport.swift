package import PalanaCore
package import PalanaPolicy

/// Where tokens are asked for: `https://HOST[:PORT]/PATH`.
package struct TokenEndpoint: Hashable, Sendable {
  package let authority: Authority
  /// Path and query, as they stand in the request line.
  package let target: String

  /// Reads a URL that a person wrote.
  ///
  /// - Parameter suffix: a path that is put behind it.
  /// - Throws: ``PalanaError`` with code `invalid`: not https, user information, a fragment, a path that is not canonical.
  package init(_ url: String, appending suffix: String = "") throws(PalanaError) {
    let base = suffix.isEmpty || !url.hasSuffix("/") ? url : String(url.dropLast())
    let parsed: RequestTarget
    do {
      parsed = try RequestTarget.parse(base + suffix)
    } catch {
      throw PalanaError(.invalid, "it is not a URL of a token endpoint: \(error)", hint: "write https://HOST/PATH")
    }
    guard case .absolute(.https, let authority) = parsed.form else {
      throw PalanaError(.invalid, "a token endpoint is asked over https only", hint: "write https://HOST/PATH")
    }
    self.authority = authority
    target = parsed.originForm
  }
}

/// A request for a token. It holds a credential and is never printed.
package struct TokenRequest: Sendable {
  package var endpoint: TokenEndpoint
  package var accept: String
  package var authorization: Redacted<String>?
  package var contentType: String
  package var body: Redacted<String>

  package init(
    endpoint: TokenEndpoint, accept: String, authorization: Redacted<String>?, contentType: String, body: Redacted<String>
  ) {
    self.endpoint = endpoint
    self.accept = accept
    self.authorization = authorization
    self.contentType = contentType
    self.body = body
  }
}

/// What a token endpoint answered. The body may hold a token.
package struct TokenAnswer: Sendable {
  package var status: Int
  package var body: Redacted<[UInt8]>

  package init(status: Int, body: Redacted<[UInt8]>) {
    self.status = status
    self.body = body
  }
}

/// How requests for tokens travel. The implementation dials only addresses that the policy permits, verifies the certificate,
/// follows no redirect, and bounds time and size.
package protocol TokenTransport: Sendable {
  /// The longest answer in bytes that is read.
  static var longestAnswer: Int { get }

  /// Sends a POST and reads the whole answer.
  ///
  /// - Parameter agent: whose share of the resolver it uses.
  /// - Throws: ``PalanaError`` with code `denied` (the address may not be dialled), `unreachable` or `failed`; it quotes nothing of
  ///   the answer.
  func send(_ request: TokenRequest, for agent: AgentID) async throws(PalanaError) -> TokenAnswer
}
