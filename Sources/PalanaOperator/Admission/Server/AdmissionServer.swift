import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
package import Logging
import NIOCore
import PalanaCore
import PalanaKube
import PalanaPlan

/// The HTTPS server that the API server asks: `POST /mutate`, `POST /validate`; `GET /livez` and `GET /readyz` for probes.
///
/// Whoever can reach the port may write anything to it, so bodies and connections are bounded in size, number and time. Every request is
/// answered: with a review, or with a status that the API server takes for a failure, which it treats as the webhook's policy says.
package struct AdmissionServer: Sendable {
  package struct Limits: Sendable {
    /// More than two objects of the largest size that the API server stores.
    package var bodyBytes = 8 << 20
    package var heldBytes = 64 << 20
    package var connections = 256
    /// For a whole body to arrive.
    package var bodyTime = Duration.seconds(5)
    /// Without anything being sent or received.
    package var idle = Duration.seconds(90)
    package init() {}
  }

  private let judge: AdmissionJudge
  private let registry: AgentRegistry
  private let certificate: ServingCertificate
  private let limits: Limits
  private let budget: BodyBudget
  private let logger: Logger

  package init(
    judge: AdmissionJudge, registry: AgentRegistry, certificate: ServingCertificate, limits: Limits = Limits(), logger: Logger
  ) {
    self.judge = judge
    self.registry = registry
    self.certificate = certificate
    self.limits = limits
    self.logger = logger
    budget = BodyBudget(bytes: limits.heldBytes)
  }

  /// Serves until it is cancelled or the process is asked to end.
  ///
  /// - Parameter onListening: gets the port.
  /// - Throws: ``PalanaError`` when there is no certificate yet, and what binding the address throws.
  package func run(host: String, port: Int, onListening: @escaping @Sendable (Int) async -> Void = { _ in }) async throws {
    let router = Router()
    router.get("livez") { _, _ in HTTPResponse.Status.ok }
    router.get("readyz") { _, _ in registry.isSynced ? HTTPResponse.Status.ok : .serviceUnavailable }
    for phase in AdmissionJudge.Phase.allCases {
      router.post(RouterPath(phase.rawValue)) { request, _ in await self.answer(request, phase) }
    }
    let idle = HTTP1Channel.Configuration(idleTimeout: .nanoseconds(limits.idle.wholeNanoseconds))
    try await Application(
      router: router, server: .tls(.http1(configuration: idle), tlsConfiguration: certificate.configuration()),
      configuration: ApplicationConfiguration(
        address: .hostname(host, port: port), availableConnectionsDelegate: .maximum(limits.connections, logger: logger)),
      onServerRunning: { channel in await onListening(channel.localAddress?.port ?? 0) }, logger: logger
    ).run()
  }

  private func answer(_ request: Request, _ phase: AdmissionJudge.Phase) async -> Response {
    guard request.headers[.contentType]?.lowercased().hasPrefix("application/json") == true else {
      return Self.failure(.unsupportedMediaType, "a review is application/json")
    }
    guard let length = request.headers[.contentLength].flatMap({ Int($0) }), length >= 0 else {
      return Self.failure(.lengthRequired, "the length of the body is required")
    }
    guard length <= limits.bodyBytes else { return Self.failure(.contentTooLarge, "a review has at most \(limits.bodyBytes) bytes") }
    guard budget.take(length) else { return Self.failure(.serviceUnavailable, "too much at the same time; try again") }
    defer { budget.giveBack(length) }
    guard let body = await collected(request.body, length) else { return Self.failure(.requestTimeout, "the body did not come in time") }
    let asked: AdmissionRequest
    do throws(PalanaError) { asked = try AdmissionRequest(review: body) } catch { return Self.failure(.badRequest, error.message) }
    let answer = await judge.answer(asked, phase)
    if case .refused(let refusal) = answer {
      logger.info(
        "refused",
        metadata: [
          "phase": "\(phase)", "resource": "\(asked.resource)", "object": "\(asked.key)", "user": "\(asked.requester.user.prefix(254))",
          "reason": "\(refusal.message)",
        ])
    }
    return Self.json(.ok, answer.review(uid: asked.uid))
  }

  /// - Returns: nil when it is longer than it said, or does not come.
  private func collected(_ body: RequestBody, _ length: Int) async -> [UInt8]? {
    let time = limits.bodyTime
    return await withTaskGroup(of: [UInt8]?.self) { group in
      group.addTask { (try? await body.collect(upTo: length)).map { Array(buffer: $0) } }
      group.addTask {
        try? await Task.sleep(for: time)
        return nil
      }
      defer { group.cancelAll() }
      return await group.next() ?? nil
    }
  }

  private static func failure(_ status: HTTPResponse.Status, _ message: String) -> Response {
    json(status, ["kind": "Status", "apiVersion": "v1", "status": "Failure", "code": .int(status.code), "message": .string(message)])
  }

  private static func json(_ status: HTTPResponse.Status, _ value: JSONValue) -> Response {
    Response(
      status: status, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.encoded())))
  }
}

extension Duration {
  fileprivate var wholeNanoseconds: Int64 { Int64(components.seconds) * 1_000_000_000 }
}
