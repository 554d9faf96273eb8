import Hummingbird
import NIOCore
import PalanaAudit
import PalanaControlAPI
import PalanaCore

/// The audit trails of other parts of the platform.
enum CollectionRoutes {
  /// - Parameter collection: nil where nothing is collected: nobody gets here then.
  static func handlers(_ collection: AuditCollection?, _ trail: AuditTrail) -> RouteHandlers {
    [
      .collectedAudit: { call in
        let (collection, sender) = (try required(collection), try call.context.requireSender())
        return try call.answer(await collection.position(of: try chain(call), sender))
      },
      .collectAudit: { call in
        let (collection, sender) = (try required(collection), try call.context.requireSender())
        do {
          let bytes = try await body(call)
          return try call.answer(await collection.take(bytes, of: try chain(call), sender))
        } catch {
          await note(error, sender, call, collection, trail)
          throw error
        }
      },
    ]
  }

  private static func required(_ collection: AuditCollection?) throws(PalanaError) -> AuditCollection {
    guard let collection else { throw PalanaError(.notFound, "no audit trails are collected here") }
    return collection
  }

  private static func chain(_ call: RouteCall) throws(PalanaError) -> String {
    guard let chain = call.query.text("chain") else { throw PalanaError(.invalid, "chain: the name of a chain is needed") }
    return chain
  }

  private static func body(_ call: RouteCall) async throws -> [UInt8] {
    guard call.request.headers[.contentType] == call.route.request.mediaType else {
      throw PalanaError(.invalid, "the body must be application/x-ndjson")
    }
    return try await JSONBody.collect(call.request, limit: call.limits.bodyBytes)
  }

  /// What is not taken is written down: a part of the platform whose trail does not come in must not go unnoticed.
  private static func note(
    _ error: any Error, _ sender: AuditSender, _ call: RouteCall, _ collection: AuditCollection, _ trail: AuditTrail
  ) async {
    guard let suppressed = await collection.failures.take() else { return }
    var details = ["pod": sender.pod]
    if suppressed > 0 { details["suppressedBefore"] = String(suppressed) }
    let reason = (error as? PalanaError)?.code.rawValue ?? (error is NIOTooManyBytesError ? "too_large" : "failed")
    trail.note(
      .policy, "collect", .error, reason: reason, by: call.caller, source: Authenticator.source(of: call.context.channel), details: details)
  }
}
