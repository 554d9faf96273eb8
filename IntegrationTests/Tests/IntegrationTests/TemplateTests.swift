import Foundation
import Testing

/// The templates that every installation has.
@Suite struct TemplateTests {
  @Test func pythonWaitsForItsProgramAndRunsIt() async throws {
    let platform = try await Platform.shared.get()
    try await platform.pcli("create", "scripted", "--template", "python")
    try await platform.pcli("run", "scripted")
    try await waitUntil("it says what is missing") {
      try await platform.pcli("logs", "scripted").output.contains("there is no /data/agent.py yet: pcli cp agent.py scripted:")
    }
    #expect(try await platform.phase("scripted") == "Running")
    let source = platform.home + "/agent.py"
    try "import os, time\nprint('agent', os.environ['PALANA_AGENT'], 'at work')\ntime.sleep(600)\n"
      .write(toFile: source, atomically: true, encoding: .utf8)
    try await platform.pcli("cp", source, "scripted:/data/agent.py")
    try await platform.pcli("restart", "scripted")
    try await waitUntil("it runs") { try await platform.pcli("logs", "scripted").output.contains("agent scripted at work") }
    #expect(try await platform.phase("scripted") == "Running")
    try await platform.pcli("delete", "scripted", "--purge")
  }

  /// Either the machine has what the template needs, or the error names the first program that is missing and how to get it.
  @Test(arguments: [
    ("claudecodeui", ["claude-code-ui", "claude"]), ("opencode", ["opencode"]), ("ttyd", ["ttyd"]),
  ])
  func whatIsMissingIsNamed(_ template: String, _ programs: [String]) async throws {
    let platform = try await Platform.shared.get()
    let missing = programs.first { program in
      !["/usr/bin/", "/usr/local/bin/", "/usr/sbin/"].contains { FileManager.default.isExecutableFile(atPath: $0 + program) }
    }
    let agent = "needs-\(template)"
    let finished = try await platform.pcli("run", agent, "--template", template, expect: nil)
    if let missing {
      #expect(finished.code != 0)
      #expect(finished.error.contains(missing) && finished.error.contains("install"), "\(finished.error)")
    } else {
      #expect(finished.code == 0, "\(finished.error)")
      #expect(try await platform.phase(agent) == "Running")
    }
    try await platform.pcli("delete", agent, "--purge", expect: nil)
  }

  /// On a real pseudo-terminal: its size and a change of it, Ctrl-C for what runs inside, and the shell's own code.
  @Test func aShellIsATerminal() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("typed")
    let finished = try await run(
      Checkout.python,
      [Checkout.root + "IntegrationTests/terminal/shell.py", Checkout.pcli, "--home", platform.home, "shell", "typed"])
    #expect(finished.code == 0, "\(finished.output)\(finished.error)")
    let seen = try finished.json()
    #expect(seen["first"].string == "31 97", "\(seen)")
    #expect(seen["second"].string == "40 123", "\(seen)")
    #expect(seen["interrupted"].string == "130", "\(seen)")
    #expect(seen["code"].number == 7, "\(seen)")
    try await platform.pcli("delete", "typed", "--purge")
  }
}
