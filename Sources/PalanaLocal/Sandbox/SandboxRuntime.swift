package import Logging
package import PalanaCore
import Synchronization

/// Makes, keeps, observes and removes sandboxes on this machine: a mechanism without policy. It restarts nothing by
/// itself.
///
/// Sandboxes live apart from the process that uses this class: each has a small shim that keeps its mounts, writes its
/// log and its end. All mounts of a sandbox are in its shim's mount namespace, so nothing of it is left on the machine
/// when it is gone.
package final class SandboxRuntime: Sendable {
  package let configuration: SandboxConfiguration
  /// Unpacked images.
  package let images: ImageStore
  let paths: SandboxPaths
  let table = SandboxTable()
  let logger: Logger
  private let clock: WallClock
  private let prepared = Mutex<Machine?>(nil)

  package init(configuration: SandboxConfiguration, logger: Logger, clock: WallClock = .system) {
    self.configuration = configuration
    self.logger = logger
    self.clock = clock
    paths = SandboxPaths(configuration)
    images = ImageStore(folder: paths.images)
  }

  /// Checks the machine, compiles the system call filter, builds the view of the machine's `/usr`, finds what runs
  /// already. Call it once, before anything else.
  /// - Throws: ``PalanaError`` with code `failed` that names what the machine lacks.
  package func prepare() async throws(PalanaError) {
    let configuration = configuration
    let paths = paths
    let machine = try await SystemCall.blocking { () throws(PalanaError) in try Machine(configuration, paths) }
    prepared.withLock { $0 = machine }
    try await recover(machine)
  }

  /// - Throws: `failed` before ``prepare()`` has succeeded.
  func machine() throws(PalanaError) -> Machine {
    guard let machine = prepared.withLock({ $0 }) else {
      throw PalanaError(.failed, "the sandbox runtime is not prepared")
    }
    return machine
  }

  func controlGroup(_ id: AgentID) -> ControlGroup { ControlGroup(name: "\(configuration.cgroupParent)/\(id)") }

  /// No suspension: from memory.
  package func state(of id: AgentID) -> SandboxState { table.state(of: id) }

  /// Every agent that has had a sandbox and was not removed. After a restart of the daemon: what ``prepare()`` found.
  package func list() -> [AgentID: SandboxState] { table.all() }

  /// Waits for the end of the present run; at once when the last one has ended.
  /// - Throws: `notFound` when there never was one or it is removed meanwhile; `failed` when the task is cancelled.
  package func awaitExit(of id: AgentID) async throws(PalanaError) -> SandboxExit {
    for await exit in table.nextEnd(of: id) { return exit }
    throw Task.isCancelled
      ? PalanaError(.failed, "waiting for \(id) was given up") : PalanaError(.notFound, "\(id) has no sandbox")
  }

  /// The end of the present run if it comes within `duration`.
  func exit(of id: AgentID, within duration: Duration) async -> SandboxExit? {
    let ends = table.nextEnd(of: id)
    return await withTaskGroup(of: SandboxExit?.self) { group in
      group.addTask {
        for await exit in ends { return exit }
        return nil
      }
      group.addTask {
        try? await Task.sleep(for: duration)
        return nil
      }
      defer { group.cancelAll() }
      return await group.next() ?? nil
    }
  }

  /// Ends of runs as they happen, for each call its own stream. It keeps the newest 1,024 that a slow reader has not
  /// taken: use it as a hint and ``list()`` as the truth.
  package func exits() -> AsyncStream<SandboxExit> { table.ends() }

  // MARK: - Following the shims

  /// Takes a running sandbox into the table and watches its shim.
  func adopt(_ id: AgentID, _ started: StatusFiles.Started) throws(PalanaError) -> RunningSandbox {
    let running = RunningSandbox(
      id: id, run: started.run, pid: started.pid, shim: started.shim, startedAt: Timestamp(microseconds: started.time))
    guard let shim = ProcessHandle(pid: started.shim, start: started.shimStart) else {
      // It ended before we could look.
      conclude(id, started, process: ProcessHandle(pid: started.pid, start: started.pidStart))
      return running
    }
    // Nil: it has ended, and the shim is about to write that down.
    let process = ProcessHandle(pid: started.pid, start: started.pidStart)
    table.setRunning(SandboxTable.Live(running: running, process: process, shim: shim))
    try watch(id, started, shim: shim, process: process)
    return running
  }

  private func watch(
    _ id: AgentID, _ started: StatusFiles.Started, shim: ProcessHandle, process: ProcessHandle?
  ) throws(PalanaError) {
    let poller = try ReadinessPoller.shared()
    try poller.add(shim.descriptor.number) { [self] in
      poller.remove(shim.descriptor.number)
      conclude(id, started, process: process)
    }
  }

  /// The shim is gone: what it wrote is how the run ended. If it wrote nothing it was killed, and what it kept goes the
  /// same way: a sandbox without its keeper has nobody to write down what it does.
  private func conclude(_ id: AgentID, _ started: StatusFiles.Started, process: ProcessHandle?) {
    let folder = paths.agent(id)
    if let ended = StatusFiles.ended(folder), ended.run == started.run {
      table.setEnded(SandboxExit(id, ended))
    } else {
      process?.signal(9)
      controlGroup(id).setFrozen(false)
      table.setEnded(SandboxExit(id, StatusFiles.writeLost(folder, started, now: clock.now())))
    }
  }

  // MARK: - After a restart

  /// Finds what earlier daemons started: what still runs is watched again, what ended meanwhile is known by how it
  /// ended.
  private func recover(_ machine: Machine) async throws(PalanaError) {
    for name in Files.names(in: paths.agents) {
      guard let id = AgentID(parsing: name) else { continue }
      try await settle(id)
      guard let started = StatusFiles.started(paths.agent(id)) else { continue }
      if let ended = StatusFiles.ended(paths.agent(id)), ended.run == started.run {
        table.setEnded(SandboxExit(id, ended))
      } else if started.boot != machine.boot {
        // The numbers of its processes are others' now.
        table.setEnded(SandboxExit(id, StatusFiles.writeLost(paths.agent(id), started, now: clock.now())))
      } else {
        _ = try adopt(id, started)
      }
    }
  }

  /// A shim that an earlier daemon started a moment ago may be about to say so: waits until it has, or has failed.
  private func settle(_ id: AgentID) async throws(PalanaError) {
    let folder = paths.agent(id)
    for _ in 0..<3000 {
      guard lockIsHeld(folder + "/lock") else { return }
      let holder = String(decoding: Files.read(folder + "/lock") ?? [], as: UTF8.self)
      if let started = StatusFiles.started(folder), holder == "\(started.shim) \(started.shimStart)\n" { return }
      try? await Task.sleep(for: .milliseconds(20))
    }
    logger.warning("a sandbox is neither starting nor started", metadata: ["agent.id": "\(id)"])
  }
}
