package import Logging
package import PalanaCore
package import PalanaPlan

/// Makes, keeps, observes and removes sandboxes on this machine: a mechanism without policy. It restarts nothing by itself.
///
/// Sandboxes live apart from the process that uses this class: each has a small shim that keeps it, writes its log and its end.
package final class SandboxRuntime: Sendable {
  package let configuration: SandboxConfiguration
  private let logger: Logger

  package init(configuration: SandboxConfiguration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
  }

  /// Checks the machine, compiles the system call filter, builds the view of the machine's `/usr`, finds what runs already.
  /// Call it once, before anything else.
  /// - Throws: ``PalanaError`` with code `failed` that names what the machine lacks.
  package func prepare() async throws(PalanaError) { throw Self.unbuilt }

  /// Starts a sandbox and returns when its first process runs.
  /// - Parameter progress: what is being done when it takes long (an image being pulled), one sentence each.
  /// - Throws: `conflict`: it runs already; `invalid`, `notFound`, `unreachable`: the image; `failed`: the rest, with the reason.
  package func start(
    _ start: SandboxStart, progress: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws(PalanaError) -> RunningSandbox { throw Self.unbuilt }

  /// TERM, then KILL after `grace`. Returns how it ended; nil: it did not run.
  package func stop(_ id: AgentID, grace: Duration) async throws(PalanaError) -> SandboxExit? { throw Self.unbuilt }

  /// KILL, now. Returns when no process of the sandbox is left; nil: it did not run.
  package func kill(_ id: AgentID) async throws(PalanaError) -> SandboxExit? { throw Self.unbuilt }

  /// No suspension: from memory.
  package func state(of id: AgentID) -> SandboxState { .absent }

  /// Every agent that has a sandbox folder. After a restart of the daemon: what ``prepare()`` found.
  package func list() -> [AgentID: SandboxState] { [:] }

  /// Waits for the end of the present run; at once when the last one has ended.
  /// - Throws: `notFound` when there never was one.
  package func awaitExit(of id: AgentID) async throws(PalanaError) -> SandboxExit { throw Self.unbuilt }

  /// Ends of runs as they happen. Keeps the newest 1,024 that a slow reader has not taken: use it as a hint and ``list()`` as the truth.
  package func exits() -> AsyncStream<SandboxExit> { AsyncStream { $0.finish() } }

  /// - Throws: `notFound` when it does not run.
  package func usage(of id: AgentID) async throws(PalanaError) -> SandboxUsage { throw Self.unbuilt }

  /// Bytes taken by `/data` of an agent, running or not; nil: it has none yet.
  package func dataBytes(of id: AgentID) async -> Int64? { nil }

  /// Replaces the agent-readable secrets of a running sandbox; each file changes at once as a whole.
  package func updateSecrets(of id: AgentID, files: [String: Redacted<[UInt8]>]) async throws(PalanaError) {
    throw Self.unbuilt
  }

  /// Stops every process of the sandbox where it is, or lets them go on.
  package func setFrozen(_ frozen: Bool, _ id: AgentID) async throws(PalanaError) { throw Self.unbuilt }

  /// Removes the folder and logs of a sandbox that does not run; with `purge` also its `/data`.
  /// - Throws: `conflict` when it runs.
  package func remove(_ id: AgentID, purge: Bool) async throws(PalanaError) { throw Self.unbuilt }

  private static var unbuilt: PalanaError { PalanaError(.failed, "not built yet") }
}

extension SandboxRuntime: AgentEngine {
  package func logs(
    of agent: AgentID, _ options: LogOptions
  ) async throws(PalanaError) -> AsyncThrowingStream<LogLine, any Error> { throw Self.unbuilt }

  package func exec(
    in agent: AgentID, _ request: ExecRequest, input: AsyncStream<ExecInput>,
    output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws(PalanaError) -> Int32 { throw Self.unbuilt }

  package func copyIn(
    to agent: AgentID, directory: String, tar: AsyncThrowingStream<[UInt8], any Error>
  ) async throws(PalanaError) { throw Self.unbuilt }

  package func copyOut(
    from agent: AgentID, path: String
  ) async throws(PalanaError) -> AsyncThrowingStream<[UInt8], any Error> { throw Self.unbuilt }

  package func waitForExit(of agent: AgentID) async throws(PalanaError) -> Int32 {
    let exit = try await awaitExit(of: agent)
    return exit.code
  }
}
