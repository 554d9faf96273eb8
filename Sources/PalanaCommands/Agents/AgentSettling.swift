import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// Waits until what was asked of an agent has come true, or will not.
struct AgentSettling: Sendable {
  let client: ControlClient
  let output: Output

  /// How an agent stands to a wish.
  enum Verdict: Hashable, Sendable { case reached, unsettled, impossible(PalanaError) }

  /// Whether an agent that was asked to run does so.
  ///
  /// - Parameters:
  ///   - generation: of the spec that asked for it; a status of an older one says nothing.
  ///   - since: exits before this time belong to earlier runs.
  static func verdictOfStart(_ agent: Agent, generation: Int64?, since: Timestamp?) -> Verdict {
    guard let status = agent.status, isCurrent(status, generation) else { return .unsettled }
    if let exit = status.lastExit, since.map({ exit.time >= $0 }) ?? (status.phase == .failed) {
      guard exit.reason != "StartFailed" else {
        return .impossible(
          PalanaError(.failed, "agent/\(agent.metadata.name) cannot start", hint: exit.message ?? ""))
      }
      if status.phase != .pending { return .reached }
    }
    switch status.phase {
    case .running: return .reached
    case .killed:
      return .impossible(killed(agent.metadata.name.text))
    case .pending, .stopped, .idle, .failed: return .unsettled
    }
  }

  private static func killed(_ name: String) -> PalanaError {
    PalanaError(
      .conflict, "agent/\(name) is killed and stays cut off",
      hint: "see why: pcli audit --component kill; let it back: pcli unkill \(name)")
  }

  /// Whether an agent that was asked to stop has done so.
  static func verdictOfStop(_ agent: Agent, generation: Int64?) -> Verdict {
    guard let status = agent.status, isCurrent(status, generation) else { return .unsettled }
    switch status.phase {
    case .stopped, .failed, .killed, .idle: return .reached
    case .running, .pending: return .unsettled
    }
  }

  private static func isCurrent(_ status: AgentStatus, _ generation: Int64?) -> Bool {
    (status.observedGeneration ?? 0) >= (generation ?? 0)
  }

  /// Waits until the agent runs.
  /// - Throws: ``PalanaError`` when it cannot.
  func started(_ agent: Agent, after: Timestamp?, doing title: String) async throws -> Agent {
    try await settled(agent, title, "it runs", within: .seconds(300)) {
      Self.verdictOfStart($0, generation: agent.metadata.generation, since: after)
    }
  }

  /// Waits until the agent has stopped.
  func stopped(_ agent: Agent, doing title: String) async throws -> Agent {
    try await settled(agent, title, "it has stopped", within: .seconds(120)) {
      Self.verdictOfStop($0, generation: agent.metadata.generation)
    }
  }

  /// Waits until the agent's run has ended and returns the exit code.
  func exit(of agent: Agent, after: Timestamp) async throws -> Int32 {
    let name = agent.metadata.name.text
    return try await Progress.run("Waiting for agent/\(name)", output) { _ in
      while true {
        let result = try await client.call(
          .waitForAgent, ["name": name], query: [("exitAfter", after.description), ("timeout", "30")],
          as: WaitResult.self)
        guard result.reached else { continue }
        guard result.phase != .killed else { throw Self.killed(name) }
        // Without a code no exit came, and the last one belongs to an earlier run.
        if result.exitCode != nil, let exit = result.lastExit, exit.reason == "StartFailed" {
          throw PalanaError(.failed, "agent/\(name) cannot start", hint: exit.message ?? "")
        }
        guard let code = result.exitCode else {
          throw PalanaError(
            .failed, "agent/\(name) was stopped before it ended by itself", hint: "see pcli describe \(name)")
        }
        return Int32(clamping: code)
      }
    }
  }

  private func settled(
    _ agent: Agent, _ title: String, _ what: String, within limit: Duration,
    _ verdict: @Sendable @escaping (Agent) -> Verdict
  ) async throws -> Agent {
    let name = agent.metadata.name.text
    return try await Progress.run(title, output) { _ in
      var last = agent
      try await Waiting.until(what, within: limit) {
        last = try await client.call(.getAgent, ["name": name])
        switch verdict(last) {
        case .reached: return true
        case .unsettled: return false
        case .impossible(let error): throw error
        }
      }
      return last
    }
  }

  /// What became of an agent that was asked to run.
  static func sentence(_ agent: Agent, unchanged: Bool = false) -> String {
    let name = "agent/\(agent.metadata.name)"
    guard let status = agent.status, status.phase != .running else {
      let address = agent.status?.address.map { " (\($0))" } ?? ""
      return unchanged ? "\(name) runs already\(address)" : "\(name) is running\(address)"
    }
    guard let exit = status.lastExit else { return "\(name) is \(status.phase.rawValue)" }
    return "\(name) has ended already: \(exit.reason), code \(exit.code)"
  }
}
