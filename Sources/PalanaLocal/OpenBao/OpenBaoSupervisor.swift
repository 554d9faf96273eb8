import Glibc
package import Logging
package import PalanaCore
package import PalanaSecrets
import ServiceLifecycle
import Synchronization

/// The secret store of one machine: starts the daemon's own OpenBao, initialises it once, keeps it running, and gives each
/// part of the platform a client with exactly its rights. With an external store it only watches that.
///
/// The clients exist from the beginning; before the store is ready their requests fail with `unreachable`, and nothing else
/// happens. Wait with ``ready()`` where that matters.
package final class OpenBaoSupervisor: Service {
  /// Reads proxy-only values and the secrets of the installation.
  package let gateway: VaultClient
  /// Writes and removes agents' secrets; reads no value.
  package let control: VaultClient
  /// Reads agent-readable values.
  package let runtime: VaultClient

  private let configuration: OpenBaoConfiguration
  private let clock: any Clock<Duration>
  private let logger: Logger
  private let server: VaultServer
  private let sessions: [SecretPurpose: VaultSession]
  private let board = HealthBoard()
  private let pid = Mutex<Int32?>(nil)

  /// - Throws: ``PalanaError`` with code `invalid`, for example for a home whose path is too long for a socket.
  package init(
    _ configuration: OpenBaoConfiguration, clock: any Clock<Duration> = ContinuousClock(), logger: Logger
  ) throws(PalanaError) {
    self.configuration = configuration
    self.clock = clock
    self.logger = logger
    let tokens: (SecretPurpose) -> VaultSession
    switch configuration.mode {
    case .supervised(_, let folder):
      let layout = OpenBaoLayout(folder: folder)
      let server = try VaultServer(address: .socket(layout.socket))
      self.server = server
      tokens = { purpose in
        VaultSession(
          server: server, credential: .appRole(file: layout.credential(purpose)), clock: clock, logger: logger)
      }
    case .external(let address, let credential, let caFile):
      let server = try VaultServer(address: address, caFile: caFile)
      self.server = server
      let session = VaultSession(server: server, credential: credential, clock: clock, logger: logger)
      tokens = { _ in session }
    }
    let (gateway, control, runtime) = (tokens(.gateway), tokens(.control), tokens(.runtime))
    sessions = [.gateway: gateway, .control: control, .runtime: runtime]
    self.gateway = VaultClient(server: server, tokens: .session(gateway))
    self.control = VaultClient(server: server, tokens: .session(control))
    self.runtime = VaultClient(server: server, tokens: .session(runtime))
  }

  /// How the store is now.
  package var health: SecretStoreHealth { board.health }

  /// The process of the daemon's own server, while there is one.
  package var processID: Int32? { pid.withLock { $0 } }

  /// Returns when the store answers requests. Call it while ``run()`` runs.
  ///
  /// - Throws: ``PalanaError`` with code `failed` that says why it cannot be started.
  package func ready() async throws(PalanaError) { try await board.wait(for: .readyOrFailed) }

  /// Runs until graceful shutdown; then the server is stopped, at last.
  ///
  /// - Throws: ``PalanaError`` when there is something that only a person can mend: no program, a missing key, another daemon.
  package func run() async throws {
    do {
      try await cancelWhenGracefulShutdown { try await self.work() }
    } catch is CancellationError {
    } catch {
      if !Task.isCancelled { board.set(.failed(Self.palanaError(error))) }
      await server.close()
      throw error
    }
    await server.close()
  }

  private func work() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      switch configuration.mode {
      case .supervised(let binary, let folder):
        group.addTask { try await self.supervise(binary, OpenBaoLayout(folder: folder)) }
      case .external:
        group.addTask { try await self.watchExternal() }
      }
      // With an external store the three are one and the same; it is kept alive once.
      var kept: Set<ObjectIdentifier> = []
      for session in sessions.values where kept.insert(ObjectIdentifier(session)).inserted {
        group.addTask {
          // Asked before the store is ready it would only fail and wait longer than needed.
          guard (try? await self.board.wait(for: .ready)) != nil else { return }
          try await session.run()
        }
      }
      while try await group.next() != nil {}
    }
  }

  // MARK: The daemon's own server

  private func supervise(_ binary: String, _ layout: OpenBaoLayout) async throws {
    guard let confinement = await OpenBaoConfinement.strictest() else {
      throw PalanaError(
        .failed, "OpenBao cannot be started apart from the daemon",
        hint: "install the programs prlimit, unshare and setpriv (package util-linux)")
    }
    guard unsafe access(binary, X_OK) == 0 else {
      throw PalanaError(
        .failed, "OpenBao is missing: \(binary) is not an executable program", hint: "run ./quickstart again")
    }
    if !confinement.ownNetwork {
      logger.warning("the secret store shares this machine's network: namespaces are not permitted here")
    }
    // Held until the end of this function: one daemon for one storage.
    let folder = try await OpenBaoFolder.take(layout, network: confinement.ownNetwork ? .own : .shared)
    defer { withExtendedLifetime(folder) {} }
    let log = OpenBaoLog(path: layout.log, limit: configuration.logBytes)
    let process = OpenBaoProcess(
      binary: binary, layout: layout, confinement: confinement, stopTimeout: configuration.stopTimeout, log: log)
    let setup = OpenBaoSetup(
      layout: layout, server: server, sessions: sessions, clock: clock, logger: logger)
    var failures = 0
    while !Task.isCancelled {
      if try await ServerProcess.endLeftOver(layout.process, clock: clock) {
        logger.warning("a secret store of an earlier daemon was ended")
      }
      try await setup.discardInterrupted()
      let wasReady = Mutex(false)
      let how: PalanaError
      do {
        let end = try await process.run { number in
          self.pid.withLock { $0 = number }
          try await self.bringUp(setup)
          // Said again: a program that was being replaced by the next one at the first time could have missed it.
          ServerProcess.forbidDumps(of: number)
          wasReady.withLock { $0 = true }
          try await self.watch()
        }
        how = PalanaError(.failed, "OpenBao ended: \(end)", hint: "\(layout.log) says more: \(log.tail())")
      } catch {
        how = Self.palanaError(error)
      }
      pid.withLock { $0 = nil }
      if Task.isCancelled { break }
      failures = wasReady.withLock { $0 } ? 1 : failures + 1
      // Once it ran it is expected to run again; a start that fails three times in a row needs a person, and goes on trying.
      board.set(failures >= 3 ? .failed(how) : .unreachable)
      logger.error("secret store down", metadata: ["openbao.end": "\(how.message)", "openbao.failures": "\(failures)"])
      let pause = min(.milliseconds(50 << min(failures, 12)), configuration.longestBackOff)
      guard (try? await clock.sleep(for: pause)) != nil else { break }
    }
  }

  /// Completes the set-up of a server that has just been started, within the time for it.
  private func bringUp(_ setup: OpenBaoSetup) async throws {
    let clock = clock
    let limit = try await setup.isInitialized() ? configuration.startTimeout : configuration.firstStartTimeout
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await setup.complete() }
      group.addTask {
        try await clock.sleep(for: limit)
        throw PalanaError(.failed, "OpenBao did not become ready within \(limit)")
      }
      try await group.next()
      group.cancelAll()
    }
  }

  /// Looks at the server again and again and says how it is.
  private func watch() async throws {
    while true {
      do throws(PalanaError) {
        let health = try await server.health()
        board.set(health.isActive ? .ready(version: health.version) : .sealed)
      } catch {
        board.set(.unreachable)
      }
      try await clock.sleep(for: configuration.healthInterval)
    }
  }

  // MARK: Somebody else's server

  /// As ``watch()``, and looks whether the store can be used before it is called ready. What time does not mend is a failure at
  /// once; a store that is only away or sealed is one when it was so for the time of a start.
  private func watchExternal() async throws {
    var isUsable = false
    var waited = Duration.zero
    while true {
      let health: SecretStoreHealth
      do throws(PalanaError) {
        let found = try await server.health()
        if found.isActive, !isUsable { try await gateway.checkUse() }
        isUsable = isUsable || found.isActive
        health = found.isActive ? .ready(version: found.version) : .sealed
      } catch {
        health = error.code == .unreachable ? .unreachable : .failed(error)
      }
      if health != board.health, !health.isReady {
        logger.error("the external secret store cannot be used", metadata: ["secrets.health": "\(health.summary)"])
      }
      let isLate = !isUsable && waited >= configuration.startTimeout
      board.set(isLate ? .failed(PalanaError(.failed, "the secret store at \(server.address): \(health.summary)")) : health)
      try await clock.sleep(for: configuration.healthInterval)
      if !isUsable { waited += configuration.healthInterval }
    }
  }

  private static func palanaError(_ error: any Error) -> PalanaError {
    error as? PalanaError ?? PalanaError(.failed, "the secret store could not be run")
  }
}
