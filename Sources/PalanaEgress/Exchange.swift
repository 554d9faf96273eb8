import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// One request of an agent, from its first byte to its one audit event. It knows nothing of the protocol that it came by.
final class Exchange {
  let id: String
  let time: Timestamp
  let started: NIODeadline
  let agent: EgressAgent

  // What is known of the request; filled in as it is read.
  var action = "request"
  var scheme: EgressRequest.Scheme?
  var authority: Authority?
  var method: String?
  var path: String?
  var proto = "http/1.1"

  /// The question that was asked of the policy, kept to be asked again when the policy changes.
  var question: EgressRequest?
  var decision: EgressDecision?
  /// Until it has been sent on.
  var head: RequestHead?
  var target: RequestTarget?
  var injection = InjectionPlan()
  /// The state of the agent that ``injection`` was made for.
  var planned: EgressAgent?
  var isConnect = false
  /// The opening of a redirected connection: no HTTP response can be the answer to it.
  var isRedirected = false
  var isUpgrade = false
  var hasBody = false
  /// Whether all of it arrived.
  var isRequestWhole = true
  var isHeadRequest = false
  var keepsAlive = true
  var minorVersion: UInt8 = 1
  /// The head as it was sent, while it may be sent once more on another connection: always if the upstream says that it did not
  /// look at it, otherwise only if ``isRepeatable``.
  var retry: ByteBuffer?
  var isRepeatable = false
  /// Whether any byte of it went to an upstream.
  var wentUpstream = false
  var responseStarted = false
  /// Whether the client reads trailers (gRPC).
  var acceptsTrailers = false
  /// Whether an upstream that speaks HTTP/2 is spoken to in it.
  var prefersHTTP2 = false
  /// What the upstream must answer to a websocket handshake that the gateway began.
  var websocketAccept: String?
  /// A websocket: contents are its bytes in both directions.
  var isRelay = false
  var scrubber: ResponseScrubber?
  /// Set for requests of Git.
  var git: GitExchange?

  /// Set before the request is allowed: its body is held whole, up to ``EgressLimits/bodyRewriteBytes``.
  var holdsBody = false
  /// Whether the body is being held at this moment.
  var isCollecting = false
  /// The whole body, once it is there.
  var heldBody: ByteBuffer?
  /// Makes what is sent of ``heldBody``, when the credentials are known. May run again when they change before the request is sent.
  var bodyRewriter: ((ByteBuffer, Exchange) throws(Refusal) -> ByteBuffer)?
  var newBody: ByteBuffer?
  var requestFilters: [any BodyFilter] = []
  var responseFilters: [any BodyFilter] = []
  /// Whether the response may get another length on its way to the agent.
  var isResponseResized = false
  /// For the bytes of a websocket, set before the request is sent.
  var relayToUpstream: [any BodyFilter] = []
  var relayToClient: [any BodyFilter] = []
  /// A message of a websocket waits for the value of a secret: nothing more is taken from the agent.
  var isRelayHeld = false

  /// Another data plane sends the request, and this tells it to; nil: this gateway does.
  var sendElsewhere: (() -> Void)?
  /// Whether something was to be done with the contents of its messages, which only this gateway can do.
  var needsContents: Bool { holdsBody && hasBody || injection.readsFrames && isUpgrade || !relayToUpstream.isEmpty }

  var status: Int?
  var bytesSent: Int64 = 0
  var bytesReceived: Int64 = 0
  var severity = AuditEvent.Severity.normal
  var isRecorded = false
  /// Counts it among the requests under way.
  var meter: AgentMeter?
  /// A refusal whose answer has to wait.
  var refusal: Refusal?

  init(id: String, time: Timestamp, started: NIODeadline, agent: EgressAgent) {
    self.id = id
    self.time = time
    self.started = started
    self.agent = agent
  }

  /// The longest path that is written down, in bytes.
  private static let longestPath = 4096

  /// The event of this request.
  func event(
    _ verdict: AuditEvent.Decision, reason: String?, source: AuditEvent.Source, details: [String: String] = [:]
  ) -> AuditEvent {
    let elapsed = NIODeadline.now() - started
    return AuditEvent(
      time: time, component: git == nil ? .egress : .git, action: git?.action ?? action, decision: verdict, severity: severity,
      reason: reason,
      rule: decision?.rule, policyVersion: decision?.policyVersion,
      agent: AuditEvent.AgentRef(id: agent.subject.id, name: agent.subject.name.text, owner: agent.subject.owner),
      source: source,
      request: AuditEvent.Request(
        id: id, method: method, scheme: scheme?.rawValue, host: authority?.host.description,
        port: authority.map { Int($0.port) }, path: path.map(Self.bounded), protocol: proto),
      response: status.map { AuditEvent.Response(status: $0, bytes: bytesReceived) },
      bytesSent: bytesSent, durationMs: Double(elapsed.nanoseconds) / 1_000_000, secrets: injection.secretNames,
      details: git.map { details.merging($0.details(at: authority, scheme: scheme)) { given, _ in given } } ?? details)
  }

  private static func bounded(_ path: String) -> String {
    path.utf8.count <= longestPath ? path : String(path.prefix(longestPath)) + "…"
  }
}
