import Glibc
package import PalanaCore

extension SandboxRuntime {
  /// How long the shim may take to clean up after the last process has gone.
  private static let cleanUp: Duration = .seconds(30)

  /// TERM, then KILL after `grace`. Returns how it ended; nil: it did not run.
  /// - Throws: `failed` when it does not end although it was killed.
  package func stop(_ id: AgentID, grace: Duration) async throws(PalanaError) -> SandboxExit? {
    guard let live = table.live(id) else { return nil }
    thaw(id)
    live.process?.signal(SIGTERM)
    if let exit = await exit(of: id, within: grace), exit.run == live.running.run { return exit }
    return try await kill(id)
  }

  /// KILL, now. Returns when the sandbox is gone and cleaned up; nil: it did not run.
  /// - Throws: `failed` when that takes more than 30 seconds.
  @discardableResult
  package func kill(_ id: AgentID) async throws(PalanaError) -> SandboxExit? {
    guard let live = table.live(id) else { return nil }
    live.process?.signal(SIGKILL)
    thaw(id)
    if let exit = await exit(of: id, within: Self.cleanUp) { return exit }
    if case .exited(let exit) = table.state(of: id) { return exit }
    throw PalanaError(
      .failed, "the sandbox of \(id) was killed and is still there", hint: "see the machine's kernel log")
  }

  /// KILL for many at once; returns when no process of them is left. Cleaning up goes on after that.
  /// - Throws: `failed` that names those that have not ended after 10 seconds.
  package func killProcesses(of ids: Set<AgentID>) async throws(PalanaError) {
    let lives = ids.compactMap { table.live($0) }
    for live in lives { live.process?.signal(SIGKILL) }
    for live in lives { thaw(live.running.id) }
    let poller = try ReadinessPoller.shared()
    var left: [AgentID] = []
    for live in lives {
      guard let process = live.process else { continue }
      if await !process.ends(within: .seconds(10), poller) { left.append(live.running.id) }
    }
    guard left.isEmpty else {
      throw PalanaError(.failed, "still alive after KILL: \(left.map(\.text).joined(separator: ", "))")
    }
  }

  /// Removes the control groups of this installation that nothing runs in. Only when no sandbox is being started: one
  /// could lose its group while it is made.
  package func removeControlGroups() async {
    let group = ControlGroup(name: configuration.cgroupParent)
    try? await SystemCall.blocking { () throws(PalanaError) in group.removeEmpty() }
  }

  /// Stops every process of the sandbox where it is, or lets them go on. A frozen sandbox can be stopped and killed.
  /// - Throws: `notFound` when it does not run.
  package func setFrozen(_ frozen: Bool, _ id: AgentID) async throws(PalanaError) {
    let group = controlGroup(id)
    guard table.live(id) != nil,
      try await SystemCall.blocking({ () throws(PalanaError) in group.setFrozen(frozen) })
    else { throw PalanaError(.notFound, "\(id) does not run") }
  }

  /// Frozen processes take no signal on version 1, not even KILL.
  private func thaw(_ id: AgentID) { controlGroup(id).setFrozen(false) }
}

extension ProcessHandle {
  /// Whether the process has ended, at the latest after `duration`. For process 1 of a sandbox: and every other in it,
  /// since the kernel lets it end only after them.
  func ends(within duration: Duration, _ poller: ReadinessPoller) async -> Bool {
    // A descriptor of its own: the poller knows each number once.
    let copy = OwnedDescriptor(fcntl(descriptor.number, F_DUPFD_CLOEXEC, 3))
    let (stream, continuation) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingNewest(1))
    guard copy.number >= 0, (try? poller.add(copy.number, { continuation.yield(true) })) != nil else {
      return !signal(0)
    }
    defer { poller.remove(copy.number) }
    return await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        for await ended in stream { return ended }
        return false
      }
      group.addTask {
        try? await Task.sleep(for: duration)
        return false
      }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
  }
}
