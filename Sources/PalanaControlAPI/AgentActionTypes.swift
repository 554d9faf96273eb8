package import PalanaAPI
package import PalanaCore

/// Starts an agent. Every field that is present replaces the agent's own.
package struct RunRequest: Codable, Hashable, Sendable {
  package var template: String?
  package var image: String?
  /// Added to the agent's environment.
  package var env: [String: String]?
  package var command: [String]?
  package var resources: AgentResources?
  package var ports: [AgentPort]?
  package var restart: AgentLifecycle.Restart?
  package var idleAfter: TimeSpan?

  package init(
    template: String? = nil, image: String? = nil, env: [String: String]? = nil, command: [String]? = nil,
    resources: AgentResources? = nil, ports: [AgentPort]? = nil, restart: AgentLifecycle.Restart? = nil,
    idleAfter: TimeSpan? = nil
  ) {
    self.template = template
    self.image = image
    self.env = env
    self.command = command
    self.resources = resources
    self.ports = ports
    self.restart = restart
    self.idleAfter = idleAfter
  }
}

/// What a run request did.
package struct RunResult: Codable, Hashable, Sendable {
  package enum Action: String, Codable, Sendable, CaseIterable {
    /// The agent did not exist.
    case created
    /// It existed and was not running.
    case started
    /// It runs already, exactly as asked.
    case unchanged
  }

  package var action: Action
  package var agent: Agent
  /// The server's time before the change was written: give it to `wait` as `exitAfter` to wait for the end of this run.
  package var at: Timestamp

  package init(action: Action, agent: Agent, at: Timestamp) {
    self.action = action
    self.agent = agent
    self.at = at
  }
}

/// What a wait ended with.
package struct WaitResult: Codable, Hashable, Sendable {
  /// Nil: the engine has not seen the agent yet.
  package var phase: AgentStatus.Phase?
  /// The exit code of the run, or 128 plus the signal; present when an exit was waited for and came.
  package var exitCode: Int?
  /// The whole last exit, when there is one.
  package var lastExit: AgentStatus.LastExit?
  /// False: the time was over first; ask again.
  package var reached: Bool

  package init(
    phase: AgentStatus.Phase?, exitCode: Int? = nil, lastExit: AgentStatus.LastExit? = nil, reached: Bool
  ) {
    self.phase = phase
    self.exitCode = exitCode
    self.lastExit = lastExit
    self.reached = reached
  }
}

/// One line that an agent wrote.
package struct LogRecord: Codable, Hashable, Sendable {
  package enum Stream: String, Codable, Sendable, CaseIterable { case stdout, stderr }

  package var time: Timestamp
  package var stream: Stream
  /// Without its line end.
  package var text: String

  package init(time: Timestamp, stream: Stream, text: String) {
    self.time = time
    self.stream = stream
    self.text = text
  }
}

/// The last line of a stream of lines that broke off. Told apart from the others by its only key, `error`.
package typealias StreamFailure = PalanaError.Envelope
