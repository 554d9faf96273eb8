import Logging
import NIOCore
import PalanaAudit
import PalanaCore
import PalanaSecrets

/// What every event loop of the gateway uses.
struct LLMShared: Sendable {
  let routes: [String: LLMRoute]
  let limits: LLMLimits
  let redactor: Redactor
  let ledger: Ledger
  let breaker: ReasoningBreaker?
  let seriesBounds = SeriesBounds()
  let secrets: any SecretValueSource
  let learner: FingerprintLearner
  let content: ContentLog?
  let bridge: WorkBridge
  let clock: WallClock
  let logger: Logger
}

/// The part of the gateway that lives on one event loop. Everything in it is of that loop alone.
final class LLMLoop {
  let eventLoop: any EventLoop
  let shared: LLMShared
  let clients: UpstreamClients
  private let sink: any AuditSink
  private(set) var snapshot = LLMSnapshot.empty
  private var connections: [ObjectIdentifier: AgentConnection] = [:]
  private var perAgent: [AgentID: Int] = [:]
  /// When each agent began or ended a call last.
  private var lastActive: [AgentID: Timestamp] = [:]
  private var boards: [String: UpstreamBoard]
  /// Bytes of bodies that are being received or wait for an answer.
  private(set) var bodyBytes = 0
  private var bodyBytesOf: [AgentID: Int] = [:]
  private(set) var isStopping = false
  private var isAuditDown = false
  private var leaks: (guard: LeakGuard, version: UInt64)?
  private var scrubbers = CredentialScrubbers()
  private var tick: RepeatedTask?
  private let requestIDs = RandomToken.hex(bytes: 6)
  private var requests: UInt64 = 0
  private var unknown = (since: NIODeadline.now(), count: 0)
  var meter: CallMeter
  private var drained: EventLoopPromise<Void>?

  init(eventLoop: any EventLoop, shared: LLMShared, clients: UpstreamClients, sink: any AuditSink) {
    self.eventLoop = eventLoop
    self.shared = shared
    self.clients = clients
    self.sink = sink
    meter = CallMeter(bounds: shared.seriesBounds)
    boards = shared.routes.mapValues { UpstreamBoard(weights: $0.upstreams.map(\.weight)) }
  }

  // MARK: Life

  func start() {
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    tick = eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(250), delay: .milliseconds(250)) { _ in bound.value.look() }
  }

  /// Deadlines are looked at together: a timer of its own for each would cost more than they are worth.
  private func look() {
    let now = NIODeadline.now()
    for connection in Array(connections.values) { connection.look(now) }
    shared.learner.tick()
  }

  /// Nothing new begins. The future is done when nothing is under way any more.
  func drain() -> EventLoopFuture<Void> {
    isStopping = true
    let promise = eventLoop.makePromise(of: Void.self)
    drained = promise
    for connection in Array(connections.values) { connection.closeIfIdle() }
    finishDrain()
    return promise.futureResult
  }

  private func finishDrain() {
    guard connections.isEmpty else { return }
    drained?.succeed()
    drained = nil
  }

  func stop() {
    for connection in Array(connections.values) { connection.cut(.gatewayStopping) }
    tick?.cancel()
    tick = nil
    drained?.succeed()
    drained = nil
  }

  // MARK: Agents

  func apply(_ snapshot: LLMSnapshot) {
    self.snapshot = snapshot
    let known = Set(snapshot.agents.values.map(\.id))
    lastActive = lastActive.filter { known.contains($0.key) }
    for connection in Array(connections.values) {
      guard let agent = snapshot.agents[connection.source.ip] else {
        connection.cut(.agentKilled)
        continue
      }
      if agent.continues(connection.agent) { connection.agent = agent } else { connection.cut(.agentKilled) }
    }
  }

  func cut(_ agents: Set<AgentID>) {
    for connection in Array(connections.values) where agents.contains(connection.agent.id) { connection.cut(.agentKilled) }
  }

  /// - Returns: whether the agent may have one more.
  func admit(_ connection: AgentConnection) -> Bool {
    guard !isStopping, perAgent[connection.agent.id, default: 0] < shared.limits.connectionsPerAgent else { return false }
    perAgent[connection.agent.id, default: 0] += 1
    connections[ObjectIdentifier(connection)] = connection
    return true
  }

  func remove(_ connection: AgentConnection) {
    guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
    let left = (perAgent[connection.agent.id] ?? 1) - 1
    perAgent[connection.agent.id] = left > 0 ? left : nil
    finishDrain()
  }

  var openConnections: Int { connections.count }

  func note(_ agent: AgentID, at time: Timestamp) { lastActive[agent] = time }

  /// When each agent was active last; who waits for an answer is.
  func activity() -> [AgentID: Timestamp] {
    let now = shared.clock.now()
    for connection in connections.values where connection.isCalling { lastActive[connection.agent.id] = now }
    return lastActive
  }

  // MARK: Bodies

  /// - Returns: whether there is room for so many bytes more of this agent.
  func take(bodyBytes bytes: Int, of agent: AgentID) -> Bool {
    let own = bodyBytesOf[agent, default: 0] + bytes
    guard bodyBytes + bytes <= shared.limits.bodiesPerLoop, own <= shared.limits.bodiesPerAgent else { return false }
    bodyBytes += bytes
    bodyBytesOf[agent] = own
    return true
  }

  func give(bodyBytes bytes: Int, of agent: AgentID) {
    bodyBytes -= bytes
    let own = bodyBytesOf[agent, default: 0] - bytes
    bodyBytesOf[agent] = own > 0 ? own : nil
  }

  // MARK: Secrets

  /// What recognises the values of secrets in requests, as it is at this moment.
  var leakGuard: LeakGuard {
    let book = shared.learner.book
    if let leaks, leaks.version == book.version { return leaks.guard }
    let current = book.leakGuard()
    leaks = current
    return current.guard
  }

  /// What takes a credential out of the answer to a request with it.
  func scrubber(_ ref: SecretRef, _ value: Redacted<String>) -> ResponseScrubber { scrubbers.scrubber(ref, value, shared.learner.book) }

  // MARK: Upstreams

  func nextUpstream(of route: String, tried: Set<Int>, unfit: Set<Int>) -> Int? {
    boards[route]?.next(now: .now(), tried: tried, unfit: unfit)
  }

  func worked(_ index: Int, of route: String) { boards[route]?.worked(index) }
  func failed(_ index: Int, of route: String, pause: TimeAmount?) { boards[route]?.failed(index, now: .now(), pause: pause) }

  // MARK: What is written down

  func nextRequestID() -> String {
    requests += 1
    return "\(requestIDs)-\(requests)"
  }

  /// Tells of connections of nobody, ten times a second at most.
  func refuseUnknown(_ address: SocketAddress?) {
    meter.refused("agent_unknown")
    let now = NIODeadline.now()
    if now - unknown.since >= .seconds(1) { unknown = (now, 0) }
    unknown.count += 1
    guard unknown.count <= 10, let address, let text = address.ipAddress, let ip = IPAddress(text), let port = address.port else { return }
    var event = AuditEvent(
      time: shared.clock.now(), component: .llm, action: "connect", decision: .deny, reason: "agent_unknown", details: [:])
    event.source = AuditEvent.Source(ip: ip, port: port)
    record(event)
  }

  /// Whether events can be written: while they cannot, nothing may go out.
  var mayCall: Bool { !isAuditDown }

  func record(_ event: AuditEvent) {
    do throws(AuditUnavailable) {
      try sink.record(event)
      if isAuditDown { shared.logger.info("llm.audit.available") }
      isAuditDown = false
    } catch {
      if !isAuditDown { shared.logger.error("llm.audit.unavailable", metadata: ["audit.why": "\(error.why)"]) }
      isAuditDown = true
    }
  }
}
