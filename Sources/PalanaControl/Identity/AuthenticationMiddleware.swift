import HTTPTypes
import Hummingbird
import PalanaAudit
import PalanaControlAPI
import PalanaCore

/// Lets nobody through who is not known, and nothing that is addressed to another host.
struct AuthenticationMiddleware: RouterMiddleware {
  let authenticator: Authenticator
  /// Nil on a Unix socket, which no web page can reach.
  let hosts: HostCheck?
  let trail: AuditTrail
  let failures: FailureBudget
  /// Nil where no trails are collected.
  let collection: AuditCollection?

  private static let openPaths = Set(Route.all.filter { $0.access == .anyone }.map(\.path))
  private static let senderPaths = Set(Route.all.filter { $0.access == .sender }.map(\.path))

  @concurrent
  func handle(
    _ request: Request, context: ControlContext,
    next: @concurrent (Request, ControlContext) async throws -> Response
  ) async throws -> Response {
    do {
      if let hosts, !hosts.allows(request.head.authority) {
        throw AuthenticationFailure(
          "host_wrong", PalanaError(.denied, "this server does not answer to the host that the request names"))
      }
      // No page of any origin is meant to use this interface: a browser that says so is refused before anything else.
      guard request.headers[.origin] == nil else {
        throw AuthenticationFailure("origin_present", PalanaError(.denied, "requests from web pages are not answered"))
      }
      if Self.openPaths.contains(request.uri.path) { return try await next(request, context) }
      var context = context
      if let collection, Self.senderPaths.contains(request.uri.path) {
        // A sender is nobody who could ask for anything else, and nobody else is a sender.
        context.sender = try await collection.sender(request.headers)
      } else {
        context.caller = try await caller(of: request, on: context)
      }
      return try await next(request, context)
    } catch let failure as AuthenticationFailure {
      await note(failure, request, context)
      var response = try ErrorMiddleware.response(to: failure.error)
      if failure.reason.hasPrefix("token") {
        response.status = .unauthorized
        response.headers[.wwwAuthenticate] = "Bearer"
      }
      return response
    }
  }

  private func caller(of request: Request, on context: ControlContext) async throws -> Caller {
    let caller = try await authenticator.authenticate(request.headers, on: context.channel)
    guard let name = HTTPField.Name(ControlHeader.user) else { return caller }
    let wanted = request.headers[values: name]
    guard let raw = wanted.first else { return caller }
    guard wanted.count == 1 else { throw PalanaError(.invalid, "\(ControlHeader.user) is given twice") }
    let user = try UserIdentity(raw)
    if user == caller.identity { return caller }
    guard caller.isOperator else {
      throw AuthenticationFailure(
        "impersonation_denied", PalanaError(.denied, "only operators may act for somebody else"))
    }
    let impersonated = try caller.impersonating(user)
    try trail.allow(.auth, "impersonate", by: impersonated, details: ["path": String(request.uri.path.prefix(200))])
    return impersonated
  }

  /// Failures are written down within a budget: whoever can reach the port must not be able to fill the disk.
  private func note(_ failure: AuthenticationFailure, _ request: Request, _ context: ControlContext) async {
    guard let suppressed = await failures.take() else { return }
    var details = ["path": String(request.uri.path.prefix(200))]
    if suppressed > 0 { details["suppressedBefore"] = String(suppressed) }
    trail.note(
      .auth, "authenticate", .deny, reason: failure.reason, source: Authenticator.source(of: context.channel),
      details: details)
  }
}

/// A bounded number of notes per minute, with a count of those that were left out.
actor FailureBudget {
  private let perMinute: Int
  private var windowStart: ContinuousClock.Instant
  private var taken = 0
  private var suppressed = 0

  init(perMinute: Int) {
    self.perMinute = perMinute
    windowStart = .now
  }

  /// - Returns: how many were left out since the last note; nil: leave this one out as well.
  func take() -> Int? {
    let now = ContinuousClock.now
    if windowStart.duration(to: now) > .seconds(60) {
      windowStart = now
      taken = 0
    }
    guard taken < perMinute else {
      suppressed += 1
      return nil
    }
    taken += 1
    defer { suppressed = 0 }
    return suppressed
  }
}
