import NIOCore
import NIOPosix
import PalanaCore
import PalanaPolicy
import Synchronization

/// Finds the addresses of names: static ones, then a bounded cache, then the name servers on threads of their own.
///
/// It never judges an address: what it returns is a claim of the network that the dialler checks.
final class NameResolver: Sendable {
  private struct Entry {
    var result: Result<[IPAddress], ResolveError>
    var expires: NIODeadline
  }

  private struct State {
    /// Two generations bound the cache without a list: when the young one is full it becomes the old one.
    var young: [String: Entry] = [:]
    var old: [String: Entry] = [:]
    var pending: [String: [EventLoopPromise<[IPAddress]>]] = [:]
    var shares: [AgentID: Share] = [:]
  }

  /// What one agent has of the threads: with slow names it delays itself, not the others.
  private struct Share {
    var running = 0
    var waiting: [String] = []
  }

  /// Names in one generation.
  private static let generation = 2048
  /// Answers live at least and at most this many seconds, whatever the name server says.
  private static let life: ClosedRange<UInt32> = 1...300
  private static let failureLife: TimeAmount = .seconds(2)
  /// Threads that one agent may keep busy, and names of it that may wait for them.
  static let threadCount = 8
  private static let threadsPerAgent = 3
  private static let waitingPerAgent = 64

  private let query: DNSQuery
  private let staticHosts: [CanonicalHost: IPAddress]
  private let threads: NIOThreadPool
  private let pendingLimit: Int
  private let state = Mutex(State())

  init(configuration: EgressGatewayConfiguration, threads: NIOThreadPool) {
    query = DNSQuery(
      servers: configuration.nameServers,
      timeoutSeconds: max(1, Int(configuration.limits.resolveTimeout.components.seconds)))
    staticHosts = configuration.staticHosts
    self.threads = threads
    pendingLimit = configuration.limits.pendingResolutions
  }

  /// The addresses if no question has to be asked.
  func known(_ host: CanonicalHost, now: NIODeadline) -> Result<[IPAddress], ResolveError>? {
    if let address = host.address { return .success([address]) }
    if let address = staticHosts[host] { return .success([address]) }
    return state.withLock { state in
      guard let entry = state.young[host.description] ?? state.old[host.description], entry.expires > now else {
        return nil
      }
      return entry.result
    }
  }

  /// The addresses, asking the name servers if need be; one question at a time for each name.
  ///
  /// - Returns: a future that fails with ``ResolveError`` only.
  func resolve(_ host: CanonicalHost, for agent: AgentID, on loop: any EventLoop) -> EventLoopFuture<[IPAddress]> {
    let promise = loop.makePromise(of: [IPAddress].self)
    if let known = known(host, now: .now()) {
      promise.completeWith(known.mapError { $0 as any Error })
      return promise.futureResult
    }
    let name = host.description
    enum Next { case wait, ask, refuse }
    let next = state.withLock { state -> Next in
      if state.pending[name] != nil {
        state.pending[name]?.append(promise)
        return .wait
      }
      var share = state.shares[agent] ?? Share()
      guard state.pending.count < pendingLimit, share.waiting.count < Self.waitingPerAgent else { return .refuse }
      state.pending[name] = [promise]
      let mayRun = share.running < Self.threadsPerAgent
      if mayRun { share.running += 1 } else { share.waiting.append(name) }
      state.shares[agent] = share
      return mayRun ? .ask : .wait
    }
    switch next {
    case .wait: break
    case .refuse: promise.fail(ResolveError.busy)
    case .ask: ask(name, for: agent)
    }
    return promise.futureResult
  }

  private func ask(_ name: String, for agent: AgentID) {
    threads.submit { [self] poolState in
      guard case .active = poolState else { return finish(name, agent, .failure(.noAnswer)) }
      finish(name, agent, Result { () throws(ResolveError) in try query(name) })
    }
  }

  private func finish(_ name: String, _ agent: AgentID, _ result: Result<DNSQuery.Answer, ResolveError>) {
    let addresses = result.map(\.addresses)
    let (waiting, next) = state.withLock { state -> ([EventLoopPromise<[IPAddress]>], String?) in
      let life: TimeAmount =
        switch result {
        case .success(let answer): .seconds(Int64(min(max(answer.ttl, Self.life.lowerBound), Self.life.upperBound)))
        case .failure: Self.failureLife
        }
      if state.young.count >= Self.generation {
        state.old = state.young
        state.young.removeAll(keepingCapacity: true)
      }
      state.young[name] = Entry(result: addresses, expires: .now() + life)
      var share = state.shares[agent] ?? Share()
      let next = share.waiting.isEmpty ? nil : share.waiting.removeFirst()
      if next == nil { share.running -= 1 }
      state.shares[agent] = share.running > 0 ? share : nil
      return (state.pending.removeValue(forKey: name) ?? [], next)
    }
    for promise in waiting { promise.completeWith(addresses.mapError { $0 as any Error }) }
    if let next { ask(next, for: agent) }
  }
}
