import HTTPTypes
import Hummingbird
import Logging
import PalanaCore
import PalanaEgress
import PalanaSecrets

/// What a gateway of its own says of itself, for probes: `GET /livez` and `GET /readyz`.
struct GatewayHealth: Sendable {
  let gateway: any EgressDataPlane
  /// What the picture of the agents is made from, as the report calls it.
  let source: String
  /// Nil: there was no picture yet.
  let picture: @Sendable () -> PictureHealth?
  let secrets: @Sendable () -> SecretStoreHealth

  /// Whether agents are served, as the folder of manifests or the cluster says. A secret store that is away does not make the gateway unready:
  /// requests without a secret pass, the others are refused, and another gateway would have no other store.
  var isReady: Bool {
    if case .current = picture() { return gateway.boundAddress != nil }
    return false
  }

  /// For people; names no agent.
  var report: JSONValue {
    let said =
      switch picture() {
      case .current(let agents): "current, \(agents) agents run"
      case .stale(let error): "stale: \(error.message)"
      case .withheld(let error): "nothing is allowed: \(error.message)"
      case nil: "not read yet"
      }
    let health = secrets()
    return [
      "ready": .bool(isReady), "egress": .string(gateway.boundAddress.map { "\($0.address):\($0.port)" } ?? "does not listen"),
      source: .string(said), "secrets": .string(health.isReady ? "ready" : health.summary),
      "restrictions": .array(gateway.restrictions.map { .string($0) }),
    ]
  }

  /// The server of the probes.
  func service(at endpoint: LocalConfiguration.Endpoint, logger: Logger) -> some ApplicationProtocol {
    let router = Router()
    router.get("livez") { _, _ in HTTPResponse.Status.ok }
    router.get("readyz") { [self] _, _ in
      Response(
        status: isReady ? .ok : .serviceUnavailable, headers: [.contentType: "application/json"],
        body: ResponseBody(byteBuffer: ByteBuffer(bytes: report.encoded() + [10])))
    }
    return Application(
      router: router,
      configuration: ApplicationConfiguration(address: .hostname("\(endpoint.address)", port: endpoint.port)), logger: logger)
  }
}
