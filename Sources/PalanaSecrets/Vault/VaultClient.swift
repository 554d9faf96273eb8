import NIOCore
import NIOHTTP1
package import PalanaCore

/// A client of one Vault or OpenBao server with the rights of one purpose.
///
/// The methods are in extensions: KV version 2, tokens, and what an administrator does.
package struct VaultClient: Sendable {
  /// Whose token goes along.
  package enum Tokens: Sendable {
    case none
    case fixed(Redacted<String>)
    case session(VaultSession)
  }

  package let server: VaultServer
  let tokens: Tokens

  package init(server: VaultServer, tokens: Tokens) {
    self.server = server
    self.tokens = tokens
  }

  /// Sends a request with the token. When the store says that it does not know the token any more, it is sent again with a new
  /// one: a request with an unknown token did nothing.
  func send(
    _ method: HTTPMethod, _ path: String, body: Redacted<ByteBuffer>? = nil, contentType: String = "application/json"
  ) async throws(PalanaError) -> VaultServer.Answer {
    switch tokens {
    case .none: return try await server.send(method, path, body: body, contentType: contentType)
    case .fixed(let token):
      return try await server.send(method, path, token: token, body: body, contentType: contentType)
    case .session(let session):
      let token = try await session.token()
      let answer = try await server.send(method, path, token: token, body: body, contentType: contentType)
      guard answer.status == 403, try await session.isLost(token) else { return answer }
      return try await server.send(method, path, token: session.token(), body: body, contentType: contentType)
    }
  }

  /// Sends a request and requires success.
  @discardableResult
  func call(
    _ method: HTTPMethod, _ path: String, body: Redacted<ByteBuffer>? = nil, contentType: String = "application/json"
  ) async throws(PalanaError) -> VaultServer.Answer {
    let answer = try await send(method, path, body: body, contentType: contentType)
    try VaultStatus.check(answer)
    return answer
  }

  /// Sends a request and reads the `data` of its answer.
  func data<Content: Decodable & Sendable>(
    _ type: Content.Type, _ method: HTTPMethod, _ path: String, body: Redacted<ByteBuffer>? = nil
  ) async throws(PalanaError) -> Content {
    let answer = try await call(method, path, body: body)
    return try VaultJSON.decode(VaultData<Content>.self, from: answer.body).data
  }
}
