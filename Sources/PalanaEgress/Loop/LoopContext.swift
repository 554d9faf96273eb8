import Logging
import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// Everything that belongs to one event loop. Only ever touched on that loop, so that the hot path takes no lock.
final class LoopContext {
  let eventLoop: any EventLoop
  let shared: GatewayShared
  private(set) var snapshot = EgressSnapshot.empty
  /// The moment of the last tick: precise enough for every deadline.
  private(set) var now = NIODeadline.now()
  var audit: AuditRecorder
  var ids = RequestIDs()
  var pool: UpstreamPool
  let turns: ReadTurns
  var counts = EgressStatistics()
  private var leaks: LeakGuard?
  private var leaksVersion: UInt64 = 0
  private var scrubIndexes = ScrubIndexes()
  private var dials: [UpstreamKey: SharedDial] = [:]
  /// Upstreams that were offered HTTP/2 and did not take it.
  private var withoutHTTP2: Set<UpstreamKey> = []
  /// Upstreams that refused everything but HTTP/2.
  private var onlyHTTP2: Set<UpstreamKey> = []
  private static let mostRemembered = 1024
  /// Only on the event loop of the agents' resolver.
  var resolver: AgentResolver?
  private var refusals = RefusalLog()
  private var connections: [AgentID: [ObjectIdentifier: ClientConnection]] = [:]
  private var ticker: RepeatedTask?
  private(set) var isStopping = false
  /// Until the last connection is closed after ``drain()``.
  private var drained: EventLoopPromise<Void>?

  init(eventLoop: any EventLoop, shared: GatewayShared, sink: any AuditSink) {
    self.eventLoop = eventLoop
    self.shared = shared
    audit = AuditRecorder(sink: sink, logger: shared.logger)
    pool = UpstreamPool(limits: shared.limits)
    turns = ReadTurns(eventLoop: eventLoop, bytesPerSecond: shared.limits.bytesPerSecond)
  }

  func start() {
    let interval = TimeAmount(shared.limits.tick)
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    ticker = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in bound.value.tick() }
  }

  private func tick() {
    now = .now()
    turns.tick(now)
    shared.learner.tick()
    let over = pool.expire(now)
    for connection in over.ending { connection.abort() }
    for connection in over.unused { connection.closeGracefully() }
    for connection in allConnections() { connection.checkDeadline(now) }
    resolver?.tick(now)
    for event in refusals.due(now, clock: shared.clock) { counts.lostEvents += audit.record(event) ? 0 : 1 }
  }

  private func allConnections() -> [ClientConnection] { connections.values.flatMap(\.values) }

  // MARK: Connections

  func register(_ connection: ClientConnection) {
    counts.acceptedConnections += 1
    counts.openConnections += 1
    connections[connection.agent.id, default: [:]][ObjectIdentifier(connection)] = connection
  }

  func unregister(_ connection: ClientConnection) {
    let id = connection.agent.id
    guard connections[id]?.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
    if connections[id]?.isEmpty == true { connections[id] = nil }
    counts.openConnections -= 1
    shared.meters.release(id)
    if connections.isEmpty { endDrain() }
  }

  /// Notes a connection that was closed at once. Floods become one event with a count.
  func refuse(_ refusal: RefusalLog.Refusal) {
    counts.refusedConnections += 1
    if let event = refusals.add(refusal, now: now, clock: shared.clock) {
      counts.lostEvents += audit.record(event) ? 0 : 1
    }
  }

  // MARK: Values

  /// What recognises the values of secrets in requests, as it is at this moment.
  var leakGuard: LeakGuard {
    let book = shared.learner.book
    if let leaks, leaksVersion == book.version { return leaks }
    let (current, version) = book.leakGuard()
    leaks = current
    leaksVersion = version
    return current
  }

  /// What takes the agent's secrets out of the responses of a destination; nil when none may be there.
  func scrubIndex(for agent: EgressAgent, _ scheme: EgressRequest.Scheme, _ authority: Authority) -> FingerprintIndex? {
    scrubIndexes.index(for: agent, scheme, authority, book: shared.learner.book, tokens: shared.tokens)
  }

  // MARK: Upstreams

  /// Opens a connection that those share who wait for it, or one of its own where upstreams take one request at a time.
  func dial(_ key: UpstreamKey, _ next: @escaping (SharedDial.Outcome) -> Void) -> any PendingDial {
    guard key.offersHTTP2, !withoutHTTP2.contains(key) else {
      let dial = UpstreamDial(key: key, loop: self) { result in
        switch result {
        case .success(let connection):
          if connection.multiplexed != nil { self.pool.share(connection, now: self.now) }
          next(.connection(connection))
        case .failure(let failure): next(.failure(failure))
        }
      }
      dial.start()
      return dial
    }
    if let dial = dials[key] { return dial.join(next) }
    let dial = SharedDial(key: key, loop: self)
    let ticket = dial.join(next)
    dials[key] = dial
    dial.start()
    return ticket
  }

  func endDial(_ key: UpstreamKey) { dials[key] = nil }

  func noteHTTP1(_ key: UpstreamKey) {
    if withoutHTTP2.count >= Self.mostRemembered { withoutHTTP2.removeAll() }
    withoutHTTP2.insert(key)
  }

  /// - Parameter key: as it was dialled, without HTTP/2.
  func noteOnlyHTTP2(_ key: UpstreamKey) {
    if onlyHTTP2.count >= Self.mostRemembered { onlyHTTP2.removeAll() }
    onlyHTTP2.insert(key)
  }

  func speaksOnlyHTTP2(_ key: UpstreamKey) -> Bool { !onlyHTTP2.isEmpty && onlyHTTP2.contains(key) }

  private func closeUpstreams(_ agent: AgentID) {
    for (key, dial) in dials where key.agent == agent {
      dial.cancel()
      dials[key] = nil
    }
    for connection in pool.removeAll(agent) { connection.abort() }
  }

  // MARK: State

  /// Takes the new snapshot, cuts what it no longer covers, and has the rest judged again.
  func apply(_ next: EgressSnapshot) {
    guard next.version >= snapshot.version else { return }
    snapshot = next
    resolver?.adopt(next)
    for (id, group) in connections {
      for connection in group.values {
        guard let agent = next.agents[connection.agent.source], !agent.isKilled, agent.continues(connection.agent) else {
          let isKilled = next.agents[connection.agent.source].map { $0.id == id && $0.isKilled } ?? false
          connection.cut(isKilled ? .agentKilled : .agentChanged)
          closeUpstreams(id)
          continue
        }
        connection.adopt(agent)
      }
    }
    let known = Set(next.agents.values.lazy.filter { !$0.isKilled }.map(\.id))
    for id in pool.agents where !known.contains(id) { closeUpstreams(id) }
    shared.meters.keep(Set(next.agents.values.lazy.map(\.id)))
  }

  func cut(_ agents: Set<AgentID>, _ reason: EndReason) {
    resolver?.cut(agents)
    for id in agents {
      if let group = connections[id] { for connection in group.values { connection.cut(reason) } }
      closeUpstreams(id)
    }
  }

  /// Lets requests under way end within ``EgressLimits/stopTimeout``, while nothing new begins.
  /// - Returns: what is done when no connection is left, or the time is over.
  func drain() -> EventLoopFuture<Void> {
    isStopping = true
    let promise = eventLoop.makePromise(of: Void.self)
    drained = promise
    for connection in allConnections() { connection.windDown() }
    if connections.isEmpty { endDrain() }
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    eventLoop.scheduleTask(in: TimeAmount(shared.limits.stopTimeout)) { bound.value.endDrain() }
    return promise.futureResult
  }

  /// Waits no longer.
  func endDrain() {
    drained?.succeed(())
    drained = nil
  }

  /// Ends everything: requests under way get their event.
  func stop() {
    isStopping = true
    endDrain()
    ticker?.cancel()
    ticker = nil
    resolver?.stop()
    for connection in allConnections() { connection.cut(.gatewayStopped) }
    for id in Set(pool.agents).union(dials.keys.map(\.agent)) { closeUpstreams(id) }
    for event in refusals.due(.distantFuture, clock: shared.clock) { counts.lostEvents += audit.record(event) ? 0 : 1 }
  }

  /// Bytes that wait on this event loop to be sent on.
  var bufferedBytes: Int { allConnections().reduce(0) { $0 + $1.bufferedBytes } }

  var statistics: EgressStatistics {
    var result = counts
    result.idleUpstreams = pool.count
    return result
  }
}

extension TimeAmount {
  init(_ duration: Duration) { self = .microseconds(duration.wholeMicroseconds) }
}
