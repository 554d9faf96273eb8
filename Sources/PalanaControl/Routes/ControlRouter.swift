import HTTPTypes
import Hummingbird
import PalanaAudit
import PalanaControlAPI
import PalanaCore

/// Makes a router from the route table: what is not in the table cannot be registered, and what is must have a handler.
enum ControlRouter {
  /// - Throws: ``PalanaError`` with code `failed` when an operation has no handler.
  static func make(
    handlers: RouteSource, authentication: AuthenticationMiddleware, trail: AuditTrail, limits: ControlLimits
  ) throws(PalanaError) -> Router<ControlContext> {
    let router = Router(context: ControlContext.self)
    router.add(middleware: ErrorMiddleware())
    router.add(middleware: authentication)
    try handlers.check()
    for route in Route.all {
      guard let method = HTTPRequest.Method(route.verb.rawValue) else {
        throw PalanaError(.failed, "\(route.verb.rawValue) is not a method")
      }
      router.on(RouterPath(route.path), method: method) { request, context in
        try await respond(to: request, context, route, handlers, trail, limits)
      }
    }
    return router
  }

  private static let nobody = Result { () throws(PalanaError) in
    Caller(identity: try UserIdentity("anyone"), isOperator: false, authentication: .peerCredentials)
  }

  private static func respond(
    to request: Request, _ context: ControlContext, _ route: Route, _ handlers: RouteSource, _ trail: AuditTrail,
    _ limits: ControlLimits
  ) async throws -> Response {
    let accepted = ContinuousClock.now
    let caller =
      switch route.access {
      case .anyone: try nobody.get()
      case .sender: Caller(identity: try context.requireSender().identity, isOperator: false, authentication: .token)
      case .caller, .operator: try context.requireCaller()
      }
    do {
      guard route.access != .operator || caller.isOperator else {
        throw PalanaError(.denied, "only operators may do this")
      }
      let call = RouteCall(
        route: route, request: request, context: context, caller: caller,
        query: try QueryReader(request.uri.query, for: route), limits: limits, accepted: accepted)
      return try await handlers.handler(of: route, for: caller)(call)
    } catch {
      if route.isMutating { note(error, route, request, context, caller, trail) }
      throw error
    }
  }

  /// What was refused or failed is written down as well. It cannot be refused for lack of an audit trail: nothing
  /// happened.
  private static func note(
    _ error: any Error, _ route: Route, _ request: Request, _ context: ControlContext, _ caller: Caller,
    _ trail: AuditTrail
  ) {
    let code = (error as? PalanaError)?.code ?? .failed
    let isRefusal = code == .denied || code == .notFound
    var details: [String: String] = [:]
    // Only what has the form of a name: anything else in the path may be anything.
    if let name = context.parameters.get("name"), (try? ResourceName(name)) != nil { details["name"] = name }
    trail.note(
      route.auditComponent, route.operation.rawValue, isRefusal ? .deny : .error, reason: code.rawValue, by: caller,
      details: details)
  }
}

extension Route {
  /// Whether a call changes something or reaches into an agent.
  var isMutating: Bool { verb != .get && access != .sender && operation != .testEgress || operation == .copyFromAgent }

  /// Under which component refusals and failures are audited.
  var auditComponent: AuditEvent.Component {
    switch operation {
    case .addSecret, .rotateSecret, .bindSecret, .removeSecret, .setLLMCredential, .deleteLLMCredential: .secrets
    case .addEgressRule, .removeEgressRule, .createPolicy, .updatePolicy, .deletePolicy, .createPeeringRule,
      .updatePeeringRule, .deletePeeringRule:
      .policy
    case .kill, .unkill: .kill
    default: .lifecycle
    }
  }
}
