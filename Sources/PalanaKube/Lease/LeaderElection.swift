package import Logging
package import PalanaCore

/// Lets one of several processes act at a time, by a Lease.
///
/// Whoever leads and cannot renew stops before the others may begin: the work is cancelled at ``Options/renewWithin``, and the lease is
/// free only at ``Options/duration``.
package struct LeaderElection: Sendable {
  package struct Options: Sendable {
    package var duration = Duration.seconds(15)
    package var renewWithin = Duration.seconds(10)
    package var retry = Duration.seconds(2)
    package init() {}
  }

  package static let leases = KubeResource("coordination.k8s.io", "v1", "leases", kind: "Lease")

  private let client: KubeClient
  private let namespace: String
  private let name: String
  private let identity: String
  private let options: Options
  private let clock: WallClock
  private let logger: Logger

  /// - Parameter identity: unlike that of every other process, such as the name of the pod with something random.
  package init(
    _ client: KubeClient, namespace: String, name: String, identity: String, options: Options = Options(), clock: WallClock = .system,
    logger: Logger
  ) {
    self.client = client
    self.namespace = namespace
    self.name = name
    self.identity = identity
    self.options = options
    self.clock = clock
    self.logger = logger
  }

  /// Waits until this process leads, runs `work`, and comes back when it leads no more: `work` ended, or was cancelled because the lease
  /// could not be renewed in time.
  ///
  /// - Throws: `CancellationError` when the task is cancelled before it led, else what `work` throws.
  package func lead(_ work: @escaping @Sendable () async throws -> Void) async throws {
    var state = LeaseState(identity: identity)
    while true {
      try Task.checkCancellation()
      let begun = ContinuousClock.now
      // An answer that came late is worth nothing: the next attempt finds the lease and renews it.
      if await claim(&state), begun + options.renewWithin > .now { break }
      try await Task.sleep(for: options.retry * Double.random(in: 0.8...1.2))
    }
    logger.info("leading", metadata: ["lease.name": "\(namespace)/\(name)", "lease.identity": "\(identity)"])
    let held = state
    // When the lease was certainly ours last.
    let heartbeat = Heartbeat()
    let result: Result<Void, any Error> = await withTaskGroup(of: Result<Void, any Error>?.self) { group in
      group.addTask { await Self.result(work) }
      group.addTask {
        var state = held
        await renew(&state) { moment in heartbeat.beat(moment) }
        return nil
      }
      // A request that hangs must not keep the work going: the time is looked at by somebody else.
      group.addTask {
        while true {
          let end = heartbeat.last + options.renewWithin
          guard end > .now else { return nil }
          guard (try? await Task.sleep(until: end, clock: .continuous)) != nil else { return nil }
        }
      }
      defer { group.cancelAll() }
      let first = await group.next() ?? nil
      if let first { return first }
      if !Task.isCancelled {
        logger.error("no longer leading: the lease could not be renewed", metadata: ["lease.name": "\(namespace)/\(name)"])
      }
      group.cancelAll()
      // It has to have stopped before somebody else may begin.
      for await other in group { if let other { return other } }
      return .success(())
    }
    // Also when this task was cancelled, which would cancel the request.
    await Task { await releaseInTime() }.value
    try result.get()
  }

  private static func result(_ work: @Sendable () async throws -> Void) async -> Result<Void, any Error> {
    do { return .success(try await work()) } catch { return .failure(error) }
  }

  /// Renews until it is cancelled, or somebody else has the lease.
  private func renew(_ state: inout LeaseState, _ renewed: @Sendable (ContinuousClock.Instant) -> Void) async {
    while (try? await Task.sleep(for: options.retry)) != nil {
      // The lease lasts from before the request: when it arrived is not known.
      let begun = ContinuousClock.now
      if await claim(&state) {
        renewed(begun)
      } else if case .wait = state.claim(now: .now) {
        return
      }
    }
  }

  /// One attempt to get or to keep the lease.
  private func claim(_ state: inout LeaseState) async -> Bool {
    do throws(KubeError) {
      let existing = try await client.find(Self.leases, name, in: namespace)
      if let existing { state.observe(LeaseState.Record(existing), now: .now) }
      let claim = state.claim(now: .now)
      if case .wait = claim { return false }
      var object = existing ?? KubeObject(Self.leases, namespace: namespace, name: name)
      let acquired = object["spec"]?["acquireTime"]?.string
      object["spec"] = state.spec(claim, duration: options.duration, acquired: acquired, now: clock.now())
      // With its resource version, so that of two only one succeeds.
      let written = existing == nil ? try await client.create(Self.leases, object) : try await client.replace(Self.leases, object)
      state.observe(LeaseState.Record(written), now: .now)
      return true
    } catch {
      if error.kind != .conflict, error.kind != .alreadyExists {
        logger.warning("the lease could not be written", metadata: ["lease.name": "\(namespace)/\(name)", "error": "\(error.message)"])
      }
      return false
    }
  }

  /// A server that does not answer keeps nobody from ending: the lease ends by itself.
  private func releaseInTime() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await release() }
      group.addTask { try? await Task.sleep(for: options.renewWithin) }
      await group.next()
      group.cancelAll()
    }
  }

  /// Gives the lease back, so that the next need not wait for its end.
  private func release() async {
    guard let existing = try? await client.find(Self.leases, name, in: namespace),
      LeaseState.Record(existing).holder == identity
    else { return }
    var object = existing
    var spec = object["spec"]?.object ?? JSONObject()
    spec["holderIdentity"] = ""
    spec["leaseDurationSeconds"] = 1
    object["spec"] = .object(spec)
    _ = try? await client.replace(Self.leases, object)
  }
}
