import HTTPTypes
import Hummingbird
import PalanaControlAPI
import PalanaCore

/// One call of a route, with everything that was checked before its handler runs.
struct RouteCall: Sendable {
  let route: Route
  let request: Request
  let context: ControlContext
  let caller: Caller
  let query: QueryReader
  let limits: ControlLimits
  /// When the head of the request was read.
  let accepted: ContinuousClock.Instant

  /// A parameter of the path, decoded. The router splits the path before that, so that `%2F` stays within its segment.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` when it is empty or not percent-encoded UTF-8.
  func parameter(_ name: String) throws(PalanaError) -> String {
    guard let value = context.parameters.get(name), !value.isEmpty else {
      throw PalanaError(.invalid, "\(name): missing in the path")
    }
    guard let decoded = PercentEncoding.decode(value) else {
      throw PalanaError(.invalid, "\(name): the path is not percent-encoded UTF-8")
    }
    return decoded
  }

  /// `{name}`.
  var name: String { get throws(PalanaError) { try parameter("name") } }

  /// `?owner=`.
  var owner: UserIdentity? { get throws(PalanaError) { try query.user("owner") } }

  /// The JSON body.
  func body<Value: Decodable>(_ type: Value.Type) async throws -> Value {
    try await JSONBody.decode(type, from: request, limit: limits.bodyBytes)
  }

  /// A JSON answer with the status that the table promises.
  func answer(_ value: some Encodable) throws -> Response {
    try JSONAnswer.response(value, status: HTTPResponse.Status(code: route.success))
  }
}

/// Answers one operation.
typealias RouteHandler = @Sendable (RouteCall) async throws -> Response

/// Operations with their handlers.
typealias RouteHandlers = [Operation: RouteHandler]
