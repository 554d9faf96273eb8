import PalanaCore
import Subprocess

/// Starts the server as a child and follows it to its end.
struct OpenBaoProcess: Sendable {
  let binary: String
  let layout: OpenBaoLayout
  let confinement: OpenBaoConfinement
  /// How long it may take to stop before it is killed.
  let stopTimeout: Duration
  let log: OpenBaoLog

  /// Runs the server until it ends, `running` throws, or this task is cancelled; in the last two cases it is asked to stop, and
  /// killed when it does not.
  ///
  /// - Parameter running: called with its number once the process exists, and cancelled when it ends.
  /// - Returns: how it ended, in words.
  /// - Throws: what `running` throws; ``PalanaError`` with code `failed` when it could not be started.
  func run(_ running: @escaping @Sendable (Int32) async throws -> Void) async throws -> String {
    var options = PlatformOptions()
    // A session of its own: Ctrl-C on the daemon's terminal must not end the store before the gateway.
    options.createSession = true
    options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: stopTimeout)]
    let command = confinement.command([binary, "server", "-config=\(layout.serverFile)"])
    let log = log
    let note = layout.process
    log.clearTail()
    do {
      let result = try await Subprocess.run(
        .name(command.program), arguments: Arguments(command.arguments),
        environment: OpenBaoConfinement.environment, platformOptions: options, input: .none, output: .sequence,
        error: .combinedWithOutput
      ) { execution in
        let pid = execution.processIdentifier.value
        ServerProcess.forbidDumps(of: pid)
        try await ServerProcess(running: pid)?.note(in: note)
        let output = execution.standardOutput
        try await withThrowingTaskGroup(of: Bool.self) { group in
          group.addTask {
            // Read whatever happens: a full pipe would stop the server.
            for try await chunk in output { await log.append(unsafe chunk.withUnsafeBytes { unsafe Array($0) }) }
            return true
          }
          group.addTask {
            try await running(pid)
            return false
          }
          // The end of the output is the end of the server; what runs beside it is over then.
          while let hasEnded = try await group.next(), !hasEnded {}
          group.cancelAll()
        }
      }
      switch result.terminationStatus {
      case .exited(let code): return "it exited with code \(code)"
      case .signaled(let signal): return "it was ended by signal \(signal)"
      }
    } catch let error as SubprocessError {
      throw PalanaError(
        .failed, "OpenBao could not be started: \(error.description)",
        hint: "the programs prlimit, unshare and setpriv (package util-linux) must be installed")
    }
  }
}
