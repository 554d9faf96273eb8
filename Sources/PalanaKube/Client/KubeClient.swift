package import NIOHTTP1
package import PalanaCore

/// Requests to one API server, as one identity.
///
/// The methods are in extensions: reading, writing, discovery, streams.
package struct KubeClient: Sendable {
  package let server: KubeServer
  /// Whom everything is asked for; nil: ourselves.
  package var impersonation: Impersonation?
  /// Who owns the fields that are applied (`fieldManager`).
  package var fieldManager: String

  package init(_ server: KubeServer, fieldManager: String, impersonation: Impersonation? = nil) {
    self.server = server
    self.fieldManager = fieldManager
    self.impersonation = impersonation
  }

  /// The same, as somebody else.
  package func impersonating(_ impersonation: Impersonation) -> KubeClient {
    KubeClient(server, fieldManager: fieldManager, impersonation: impersonation)
  }

  /// Sends a request and reads its answer as JSON.
  ///
  /// - Parameter path: below the server's address, with its query.
  /// - Throws: ``KubeError``.
  package func json(
    _ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil, contentType: String = "application/json"
  ) async throws(KubeError) -> JSONValue {
    let bytes = try await server.send(request(method, path, body, contentType: contentType))
    do throws(PalanaError) { return try JSONValue(parsing: bytes) } catch {
      throw KubeError(.malformed, "the API server's answer is not JSON")
    }
  }

  func request(
    _ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil, contentType: String = "application/json"
  ) -> KubeServer.Request {
    var request = KubeServer.Request(method, path, body: body?.encoded(), contentType: contentType)
    request.impersonation = impersonation
    return request
  }
}
