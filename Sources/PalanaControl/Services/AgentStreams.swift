package import PalanaAPI
import PalanaAudit
import PalanaControlAPI
package import PalanaCore
package import PalanaPlan

/// What reaches into a sandbox: logs, commands, files.
extension AgentService {
  /// What the agent wrote.
  package func logs(
    _ name: String, _ options: LogOptions, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> AsyncThrowingStream<LogLine, any Error> {
    let agent = try await resources.access.find(AgentSpec.self, named: name, owner: owner, by: caller)
    return try await engine.logs(of: try agent.id(), options)
  }

  /// The agent in whose sandbox a command may run. One that rests because it was idle is started first.
  ///
  /// - Throws: ``PalanaError``: `notFound`, `conflict` while it is killed, `failed` when it does not start.
  package func reachable(
    _ name: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> Agent {
    let target = try resources.access.owner(owner, by: caller)
    let agent = try await resources.access.find(AgentSpec.self, named: name, owner: target, by: caller)
    try await refuseKilled(agent)
    guard agent.isIdle, agent.spec.lifecycle?.desired != .stopped else { return agent }
    let woken = try await resume(name, owner: target, by: caller)
    let result = try await wait(name, for: WaitCondition(phases: [.running, .failed]), atMost: .seconds(60), owner: target, by: caller)
    guard result.phase == .running else {
      throw PalanaError(
        .failed, "the agent ‘\(name)’ rested and did not start again", hint: "pcli describe agent/\(name) says why")
    }
    return woken
  }

  /// Runs a command in the sandbox of an agent that ``reachable(_:owner:by:)`` returned.
  ///
  /// Only the program's name is audited: arguments may hold what nobody should read later.
  /// - Returns: the exit code, or 128 plus the signal.
  /// - Throws: ``PalanaError``, with code `conflict` when the agent does not run.
  package func exec(
    in agent: Agent, _ request: ExecRequest, by caller: Caller, input: AsyncStream<ExecInput>,
    output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws(PalanaError) -> Int32 {
    try trail.allow(
      .lifecycle, "exec", by: caller, agent: try agent.reference(),
      details: ["program": request.command.first ?? "shell", "terminal": String(request.terminal != nil)])
    return try await Self.naming(agent) { (id) async throws(PalanaError) in
      activity.hold(id, at: clock.now())
      defer { activity.release(id, at: clock.now()) }
      return try await engine.exec(in: id, request, input: input, output: output)
    }
  }

  /// Unpacks a tar stream below `directory`.
  package func copyIn(
    to agent: Agent, directory: String, tar: AsyncThrowingStream<[UInt8], any Error>, by caller: Caller
  ) async throws(PalanaError) {
    let path = try Self.absolute(directory)
    try trail.allow(.lifecycle, "copy-in", by: caller, agent: try agent.reference(), details: ["path": path])
    try await Self.naming(agent) { (id) async throws(PalanaError) in
      activity.hold(id, at: clock.now())
      defer { activity.release(id, at: clock.now()) }
      try await engine.copyIn(to: id, directory: path, tar: tar)
    }
  }

  /// Reads `path` as a tar stream.
  package func copyOut(
    from agent: Agent, path: String, by caller: Caller
  ) async throws(PalanaError) -> AsyncThrowingStream<[UInt8], any Error> {
    let path = try Self.absolute(path)
    try trail.allow(.lifecycle, "copy-out", by: caller, agent: try agent.reference(), details: ["path": path])
    return try await Self.naming(agent) { (id) async throws(PalanaError) in
      activity.note(id, at: clock.now())
      return try await engine.copyOut(from: id, path: path)
    }
  }

  /// The engine knows agents by identifiers; people by names.
  private static func naming<Value: Sendable>(
    _ agent: Agent, _ body: (AgentID) async throws(PalanaError) -> Value
  ) async throws(PalanaError) -> Value {
    do {
      return try await body(try agent.id())
    } catch {
      throw error.code == .conflict ? notRunning(agent) : error
    }
  }

  static func notRunning(_ agent: Agent) -> PalanaError {
    let name = agent.metadata.name
    return PalanaError(.conflict, "the agent ‘\(name)’ does not run", hint: "start it first: pcli resume \(name)")
  }

  /// A path inside a sandbox: absolute, without steps upward, without NUL. The engine resolves links inside the sandbox
  /// only.
  static func absolute(_ path: String) throws(PalanaError) -> String {
    let steps = path.split(separator: "/")
    guard path.hasPrefix("/"), path.utf8.count <= 4096, !path.utf8.contains(0), !steps.contains("..") else {
      throw PalanaError(.invalid, "path: an absolute path without ‘..’ is needed, at most 4096 bytes")
    }
    return path
  }
}
