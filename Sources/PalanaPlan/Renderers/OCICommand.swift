package import PalanaCore

extension OCIProcess {
  /// This process's user, limits, filter and environment for another command in the same sandbox.
  ///
  /// Whatever is asked for, a command is never user 0 and never gains privileges: crun's own default for commands is
  /// both.
  /// - Throws: ``PalanaError`` with code `invalid` for a name that is not one of an environment variable or a relative
  ///   folder.
  package func command(_ request: ExecRequest) throws(PalanaError) -> OCIProcess {
    var process = self
    // The shell of the sandbox, with bash where there is one: /bin/sh always knows how to look.
    process.args =
      request.command.isEmpty
      ? ["/bin/sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash -i; else exec sh -i; fi"]
      : request.command
    process.terminal = request.terminal != nil
    process.consoleSize = request.terminal.map {
      ConsoleSize(height: min(max($0.rows, 1), 65_535), width: min(max($0.columns, 1), 65_535))
    }
    process.noNewPrivileges = true
    process.capabilities = Capabilities()
    // Process 1's own adjustment is inherited; setting it anew may need a privilege that the daemon does not have.
    process.oomScoreAdj = nil
    if let directory = request.workingDirectory, !directory.isEmpty {
      guard directory.hasPrefix("/") else {
        throw PalanaError(.invalid, "the working directory ‘\(directory.prefix(100))’ is not absolute")
      }
      process.cwd = directory
    }
    var environment = request.env
    if request.terminal != nil, environment["TERM"] == nil { environment["TERM"] = "xterm-256color" }
    for (name, value) in environment {
      guard !name.isEmpty, !name.contains("="), !(name + value).utf8.contains(0) else {
        throw PalanaError(.invalid, "‘\(name.prefix(60))’ cannot be an environment variable")
      }
      process.env.removeAll { $0.hasPrefix(name + "=") }
      process.env.append("\(name)=\(value)")
    }
    return process
  }
}
