package import PalanaCore

/// What the control plane asks of whatever runs agents: one machine now, a cluster later.
///
/// Wanting an agent to run or to stop is not here: that is written to the store and the engine observes it.
package protocol AgentEngine: Sendable {
  /// The agent's output. Finishes at the end of the log, or never while `follow` and the agent exists.
  func logs(of agent: AgentID, _ options: LogOptions) async throws(PalanaError) -> AsyncThrowingStream<
    LogLine, any Error
  >

  /// Runs a command inside the running sandbox with the same limits, user and network. Returns when the process ended.
  /// - Returns: the exit code, or 128 plus the signal.
  /// - Throws: ``PalanaError`` with code `conflict` when, and only when, the agent does not run.
  func exec(
    in agent: AgentID, _ request: ExecRequest, input: AsyncStream<ExecInput>,
    output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws(PalanaError) -> Int32

  /// Writes a tar stream below `directory` (absolute, inside the sandbox), as the agent's user.
  /// - Throws: `conflict` as ``exec(in:_:input:output:)``.
  func copyIn(
    to agent: AgentID, directory: String, tar: AsyncThrowingStream<[UInt8], any Error>
  ) async throws(PalanaError)

  /// Reads `path` (absolute, inside the sandbox) as a tar stream.
  /// - Throws: `conflict` as ``exec(in:_:input:output:)``, `notFound` when there is nothing at `path`.
  func copyOut(
    from agent: AgentID, path: String
  ) async throws(PalanaError) -> AsyncThrowingStream<[UInt8], any Error>

  /// Waits until the agent's current run has ended and returns its exit code.
  func waitForExit(of agent: AgentID) async throws(PalanaError) -> Int32
}

/// Which lines of a log are wanted.
package struct LogOptions: Codable, Hashable, Sendable {
  package var follow: Bool
  package var since: Timestamp?
  /// The run before the present one.
  package var previous: Bool
  /// Only the last so many lines.
  package var tail: Int?
  package init(follow: Bool = false, since: Timestamp? = nil, previous: Bool = false, tail: Int? = nil) {
    self.follow = follow
    self.since = since
    self.previous = previous
    self.tail = tail
  }
}

/// One line that an agent wrote.
package struct LogLine: Codable, Hashable, Sendable {
  package enum Stream: String, Codable, Sendable { case stdout, stderr }
  package var time: Timestamp
  package var stream: Stream
  /// Without its line end; invalid UTF-8 replaced; at most 16 KiB, longer ones are split.
  package var text: String
  package init(time: Timestamp, stream: Stream, text: String) {
    self.time = time
    self.stream = stream
    self.text = text
  }
}

/// A command to run inside a sandbox.
package struct ExecRequest: Codable, Hashable, Sendable {
  package struct TerminalSize: Codable, Hashable, Sendable {
    package var rows: Int
    package var columns: Int
    package init(rows: Int, columns: Int) {
      self.rows = rows
      self.columns = columns
    }
  }

  /// Empty: the user's shell.
  package var command: [String]
  /// Present: with a pseudo-terminal of this size.
  package var terminal: TerminalSize?
  package var env: [String: String]
  package var workingDirectory: String?
  package init(
    command: [String], terminal: TerminalSize? = nil, env: [String: String] = [:], workingDirectory: String? = nil
  ) {
    self.command = command
    self.terminal = terminal
    self.env = env
    self.workingDirectory = workingDirectory
  }
}

/// What goes into a running command.
package enum ExecInput: Hashable, Sendable {
  case bytes([UInt8])
  case endOfInput
  case resize(ExecRequest.TerminalSize)
  case signal(Int32)
}

/// What comes out of a running command.
package enum ExecOutput: Hashable, Sendable {
  case stdout([UInt8])
  case stderr([UInt8])
}

/// One plane that can cut agents off: the gateway, the network, the secret store, the compute.
package protocol ContainmentPlane: Sendable {
  /// `gateway`, `network`, `secrets`, `compute`.
  var name: String { get }
  /// Cuts these agents off and returns when that is true. Idempotent; the others are untouched.
  func cut(_ agents: Set<AgentID>) async throws(PalanaError)
  /// Lets them back.
  func restore(_ agents: Set<AgentID>) async throws(PalanaError)
}
