import Logging
import NIOPosix
import PalanaCore
import PalanaEgress
import PalanaPolicy
import ServiceLifecycle
import Synchronization

/// Keeps the gateway's picture of all agents in step with a folder of manifests.
///
/// When the folder cannot be read any more, the last good picture stays for ``patience``, so that a file that is being written
/// cuts nobody off; after that nothing is allowed (`policy_unavailable`) until it can be read again.
final class ManifestFollower: Service {
  /// Puts a picture in force; returns when it holds.
  typealias Apply = @Sendable (EgressSnapshot) async -> Void

  private struct State {
    var files: [ManifestFile] = []
    var manifests: AgentManifests?
    var failedSince: Duration?
    var version: UInt64 = 0
    var health: PictureHealth?
  }

  private let folder: ManifestFolder
  private let book: PolicyBook
  private let withheld: PolicyBook
  private let proxyToken: @Sendable (_ uid: String) -> Redacted<String>
  private let killed: @Sendable (Set<AgentID>) -> Void
  private let apply: Apply
  private let patience: Duration
  private let clock: MonotonicClock
  private let logger: Logger
  private let state = Mutex(State())

  /// How often the folder is looked at.
  private static let interval = Duration.seconds(1)

  /// - Parameters:
  ///   - killed: told the agents that a kill order covers, before each picture.
  ///   - patience: how long the last good picture may be used when the folder cannot be read.
  init(
    folder: ManifestFolder, book: PolicyBook, proxyToken: @escaping @Sendable (String) -> Redacted<String>,
    killed: @escaping @Sendable (Set<AgentID>) -> Void, patience: Duration, clock: MonotonicClock = .system, logger: Logger,
    apply: @escaping Apply
  ) {
    self.folder = folder
    self.book = book
    withheld = PolicyBook(guardrails: [Withheld("the manifests of the agents cannot be read at this moment")], logger: logger)
    self.proxyToken = proxyToken
    self.killed = killed
    self.patience = patience
    self.clock = clock
    self.logger = logger
    self.apply = apply
  }

  /// Nil before the first ``refresh()``.
  var health: PictureHealth? { state.withLock { $0.health } }

  /// The first picture. A gateway that has none does not start.
  ///
  /// - Throws: ``PalanaError``: what is wrong with the folder.
  func start() async throws(PalanaError) {
    await refresh()
    if case .stale(let error) = health { throw error }
    if case .withheld(let error) = health { throw error }
  }

  /// Looks at the folder every second until graceful shutdown.
  func run() async throws {
    await cancelWhenGracefulShutdown {
      while (try? await Task.sleep(for: Self.interval)) != nil { await self.refresh() }
    }
  }

  /// Reads the folder and puts what it says in force. For one caller at a time.
  func refresh() async {
    let before = state.withLock { $0 }
    do throws(PalanaError) {
      let files = try await read()
      if files == before.files, let manifests = before.manifests, before.failedSince == nil {
        return state.withLock { $0.health = .current(agents: manifests.live.count) }
      }
      let manifests = try AgentManifests(files)
      try await put(manifests, book)
      state.withLock { state in
        state.files = files
        state.manifests = manifests
        state.failedSince = nil
        state.health = .current(agents: manifests.live.count)
      }
      logger.notice("the manifests are in force", metadata: ["agents.running": "\(manifests.live.count)"])
    } catch {
      await failed(error, before)
    }
  }

  private func read() async throws(PalanaError) -> [ManifestFile] {
    let result: Result<[ManifestFile], PalanaError>
    do {
      result = try await NIOThreadPool.singleton.runIfActive { [folder] in
        Result { () throws(PalanaError) in try folder.read() }
      }
    } catch {
      throw PalanaError(.failed, "the folder \(folder.path) could not be read")
    }
    return try result.get()
  }

  private func put(_ manifests: AgentManifests, _ book: PolicyBook) async throws(PalanaError) {
    let version = state.withLock { state in
      state.version += 1
      return state.version
    }
    let snapshot = try manifests.inputs.snapshot(
      version: version, live: manifests.live, book: book, proxyToken: proxyToken, logger: logger)
    killed(manifests.inputs.killed)
    await apply(snapshot)
  }

  private func failed(_ error: PalanaError, _ before: State) async {
    let now = clock.now()
    let since = before.failedSince ?? now
    state.withLock { $0.failedSince = since }
    guard before.manifests == nil || now - since >= patience else {
      if before.health != .stale(error) {
        logger.error("the manifests cannot be used, the last good ones stay for a while", metadata: ["error": "\(error)"])
      }
      return state.withLock { $0.health = .stale(error) }
    }
    if case .withheld = before.health { return state.withLock { $0.health = .withheld(error) } }
    if let manifests = before.manifests { try? await put(manifests, withheld) }
    state.withLock { $0.health = .withheld(error) }
    logger.critical("the manifests cannot be used, nothing is allowed", metadata: ["error": "\(error)"])
  }
}
