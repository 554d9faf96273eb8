import PalanaAPI
import PalanaCore

/// What is wanted of one agent, reduced to what decides about its process.
struct LifecycleWish: Hashable, Sendable {
  var desired: AgentLifecycle.Desired
  var restart: AgentLifecycle.Restart
  /// Counts explicit starts and restarts.
  var restartCount: Int
  /// Fingerprint of everything that only a new start can change.
  var processFingerprint: String
  /// A kill order names this agent.
  var isKilled: Bool
  /// It did nothing for too long.
  var isIdle = false
  /// Deletion was asked for.
  var isDeleted: Bool
}

/// What the engine remembers of the last start of an agent; survives the daemon.
struct EngineMemory: Codable, Hashable, Sendable {
  var uid: String
  var restartCount: Int
  var processFingerprint: String
  /// The engine ended the run itself (stop, kill): its exit says nothing about the agent.
  var endedByEngine: Bool
  /// Early ends in a row before this run.
  var failures: Int
  /// Runs that the restart policy began.
  var restarts: Int
  var oomKills: Int
  /// Why the last attempt to start failed; nil when it did not.
  var startFailure: StartFailure?
  /// Tells this run from every other; nil: it was started before there was a name for it.
  var run: String?
  /// Why the run was taken for stuck; nil when it was not.
  var escalation: Escalation?

  struct Escalation: Codable, Hashable, Sendable {
    /// One CamelCase word.
    var reason: String
    var message: String
    var time: Timestamp
  }

  struct StartFailure: Codable, Hashable, Sendable {
    var message: String
    var hint: String
    /// Trying again without a change cannot help.
    var isFinal: Bool
    var time: Timestamp
  }
}

/// One step for one agent, as a pure function of what is wanted, remembered and seen.
enum LifecycleDecision: Hashable, Sendable {
  /// End the process: with a grace, or at once for a kill.
  case stop(isKill: Bool, phase: AgentStatus.Phase)
  /// End the process and start anew.
  case restart
  /// `failures` and `restarts` are what to remember with the new run.
  case start(failures: Int, restarts: Int)
  /// Nothing to do.
  case rest(AgentStatus.Phase)
  /// Nothing to do before then.
  case wait(Duration, failures: Int)
  case delete

  static func next(
    wish: LifecycleWish, memory: EngineMemory?, sandbox: SandboxState, policy: RestartPolicy, now: Timestamp
  ) -> LifecycleDecision {
    if wish.isDeleted { return .delete }
    let isRunning = if case .running = sandbox { true } else { false }
    if wish.isKilled { return isRunning ? .stop(isKill: true, phase: .killed) : .rest(.killed) }
    if wish.desired == .stopped { return isRunning ? .stop(isKill: false, phase: .stopped) : .rest(.stopped) }
    if wish.isIdle { return isRunning ? .stop(isKill: false, phase: .idle) : .rest(.idle) }

    guard let memory, memory.restartCount == wish.restartCount, memory.processFingerprint == wish.processFingerprint
    else { return isRunning ? .restart : .start(failures: 0, restarts: 0) }
    if let failure = memory.startFailure, !isRunning {
      if failure.isFinal { return .rest(.failed) }
      let remaining = failure.time + policy.delay(failures: memory.failures) - now
      return remaining > .zero
        ? .wait(remaining, failures: memory.failures)
        : .start(failures: memory.failures + 1, restarts: memory.restarts)
    }
    switch sandbox {
    case .running: return .rest(.running)
    case .absent: return .start(failures: 0, restarts: memory.restarts)
    case .exited(let exit):
      if memory.endedByEngine { return .start(failures: 0, restarts: 0) }
      // The machine went down, or the keeper died: what was wanted then is still wanted.
      if exit.reason == .lost { return .start(failures: 0, restarts: memory.restarts + 1) }
      let failures = exit.time - exit.startedAt >= policy.resetAfter ? 0 : memory.failures
      switch policy.verdict(mode: wish.restart, code: Int(exit.code), failures: failures) {
      case .stay(let phase): return .rest(phase)
      case .restart(let delay):
        let remaining = exit.time + delay - now
        return remaining > .zero
          ? .wait(remaining, failures: failures)
          : .start(failures: failures + 1, restarts: memory.restarts + 1)
      }
    }
  }
}
