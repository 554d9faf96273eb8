import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import PalanaCore
import PalanaOperator
import Synchronization

/// Answers requests for agents that rest because they were idle, and has them started. The cluster leads such requests here by the
/// `EndpointSlice` of the agent's service, after the sign-in has let them in.
struct WakeServer: Sendable {
  let domain: String
  /// Wakes an agent; nil while this process does not lead.
  let wake: @Sendable (AgentID) async -> WakeResult?

  func service(port: Int, logger: Logger) -> some ApplicationProtocol {
    Application(
      responder: CallbackResponder<BasicRequestContext> { request, _ in await answer(request) },
      configuration: ApplicationConfiguration(address: .hostname("::", port: port)), logger: logger)
  }

  func answer(_ request: Request) async -> Response {
    guard let host = request.head.authority, let id = WakeHost.agent(host, domain: domain) else {
      return say(.notFound, "There is no agent of this name.", request)
    }
    switch await wake(id) {
    case .starting: return say(.serviceUnavailable, "The agent rested and is starting. One moment.", request, again: true)
    case .unknown: return say(.notFound, "There is no agent of this name.", request)
    case .refused(let reason): return say(.forbidden, "The agent does not run: \(reason).", request)
    case .failed, nil: return say(.serviceUnavailable, "The agent could not be started yet. One moment.", request, again: true)
    }
  }

  /// A page that comes back by itself for people, a plain answer with `Retry-After` for programs. Nothing of the request is in it.
  private func say(_ status: HTTPResponse.Status, _ text: String, _ request: Request, again: Bool = false) -> Response {
    var fields: HTTPFields = [.cacheControl: "no-store", .connection: "close"]
    if again { fields[.retryAfter] = "3" }
    let isPerson = request.headers[.accept]?.contains("text/html") == true
    fields[.contentType] = isPerson ? "text/html; charset=utf-8" : "text/plain; charset=utf-8"
    if isPerson, again, let refresh = HTTPField.Name("Refresh") { fields[refresh] = "3" }
    let body = isPerson ? "<!doctype html><meta charset=utf-8><title>Palana</title><p>\(text)</p>\n" : text + "\n"
    return Response(status: status, headers: fields, body: ResponseBody(byteBuffer: ByteBuffer(string: body)))
  }
}

/// The engine of this process, as long as it leads.
final class CurrentEngine: Sendable {
  private let engine = Mutex<OperatorEngine?>(nil)
  var value: OperatorEngine? { engine.withLock { $0 } }
  func set(_ new: OperatorEngine?) { engine.withLock { $0 = new } }
}
