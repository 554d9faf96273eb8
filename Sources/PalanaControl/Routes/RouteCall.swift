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

/// Where the handler of a call comes from.
enum RouteSource: Sendable {
  /// The same for everybody.
  case same(RouteHandlers)
  /// Made for who is calling; `open`: those of routes that are open to anyone.
  case each(open: RouteHandlers, @Sendable (Caller) async throws(PalanaError) -> RouteHandlers)

  func handler(of route: Route, for caller: Caller) async throws(PalanaError) -> RouteHandler {
    let handlers: RouteHandlers =
      switch self {
      case .same(let handlers): handlers
      case .each(let open, let make): route.access == .anyone || route.access == .sender ? open : try await make(caller)
      }
    guard let handler = handlers[route.operation] else { throw Self.missing(route) }
    return handler
  }

  /// - Throws: ``PalanaError`` with code `failed` when an operation has no handler, as far as that is known before somebody calls.
  func check() throws(PalanaError) {
    guard case .same(let handlers) = self else { return }
    for route in Route.all where handlers[route.operation] == nil { throw Self.missing(route) }
  }

  private static func missing(_ route: Route) -> PalanaError {
    PalanaError(.failed, "the operation \(route.operation.rawValue) has no handler")
  }
}
