import Foundation
import Glibc
import PalanaCore
import Synchronization
import Testing

@testable import PalanaCommands

@Suite("pcli: up, down, doctor, open")
struct PlatformTests {
  /// A program in place of the daemon.
  private func program(_ folder: TemporaryFolder, _ script: String) throws -> String {
    let path = try folder.write("palanad", "#!/bin/sh\n" + script)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    return path
  }

  @Test("what runs already is left alone")
  func already() async throws {
    let result = try await CommandRunner.run(
      ["up"], environment: ["PALANAD": "/nonexistent"],
      answers: ["GET /healthz": #"{"ok":true}"#, "GET /v1/status": Fixtures.healthy])
    #expect(result.code == 0 && result.output == "The platform is up already (/var/lib/palana).\n")
  }

  @Test("a daemon that ends is reported with the last lines of its log")
  func fails() async throws {
    let folder = try TemporaryFolder()
    let daemon = try program(
      folder, "echo old line; echo \"args: $*\"; printf 'config.yaml, line 3: \\033[2Jno such key\\n' >&2; exit 3\n")
    let result = try await CommandRunner.run(
      ["up", "--listen", "127.0.0.1:0", "--config", "/c.yaml"], home: folder.path + "/home",
      environment: ["PALANAD": daemon])
    #expect(result.code == (geteuid() == 0 ? 1 : 4))
    guard geteuid() == 0 else { return }
    #expect(result.error.contains("the daemon ended with code 3"))
    #expect(result.error.contains("args: local --home \(folder.path)/home --listen 127.0.0.1:0 --config /c.yaml"))
    #expect(result.error.contains("line 3: \\x1b[2Jno such key"))
    let mode =
      try FileManager.default.attributesOfItem(atPath: folder.path + "/home/log/palanad.log")[.posixPermissions] as? Int
    #expect((mode ?? 0) & 0o077 == 0)
  }

  @Test("it waits until everything is ready; the daemon has a session of its own", .enabled(if: geteuid() == 0))
  func starts() async throws {
    let home = try TemporaryFolder()
    let folder = try TemporaryFolder()
    // The session, where input comes from, and the identifier, before it waits.
    let daemon = try program(
      folder,
      "ps -o sid= -p $$ | tr -d ' ' > \(home.path)/sid; readlink /proc/$$/fd/0 > \(home.path)/input; echo $$ > \(home.path)/pid; exec sleep 300\n"
    )
    let probes = Counter()
    let result = try await StubServer.with(
      home: home,
      { exchange in
        guard home.read("pid") != nil else { return try await exchange.reply(503, "") }
        if exchange.request.path == "/healthz" { return try await exchange.reply(#"{"ok":true}"#) }
        try await exchange.reply(probes.next() < 3 ? Fixtures.status : Fixtures.healthy)
      }
    ) { _ in
      try await CommandRunner.run(["up"], home: home.path, environment: ["PALANAD": daemon])
    }
    let pid = try #require(home.read("pid").flatMap { pid_t($0.trimmingLineEnds()) })
    defer {
      kill(pid, SIGKILL)
      var status: Int32 = 0
      unsafe waitpid(pid, &status, 0)
    }
    #expect(result.code == 0, "\(result.error)")
    #expect(result.output == "The platform is up: \(home.path), gateway 10.77.0.1:3128.\n")
    #expect(result.error == "Starting the platform …\n")
    #expect(probes.count == 3)
    #expect(home.read("sid")?.trimmingLineEnds() == "\(pid)")
    #expect(home.read("input") == "/dev/null\n")
  }

  @Test("down asks, and waits until nothing answers and the lock is free")
  func down() async throws {
    for (words, stops) in [(["down"], true), (["down", "--keep-agents"], false)] {
      let result = try await CommandRunner.run(words) { exchange in
        if exchange.request.path == "/v1/shutdown" { return try await exchange.reply(202, #"{"accepted":true}"#) }
        try await exchange.reply(503, "")
      }
      #expect(result.code == 0 && result.output == "The platform is down.\n", "\(result.error)")
      #expect(try JSONValue(parsing: try #require(result.requests.first).body) == ["stopAgents": .bool(stops)])
    }
    let none = try await CommandRunner.run(["down"])
    #expect(none.code == 0 && none.output == "The platform is not running.\n")
  }

  @Test("doctor works with and without a platform")
  func doctor() async throws {
    let up = try await CommandRunner.run(["doctor"], answers: ["GET /v1/doctor": Fixtures.doctor])
    #expect(up.code == 1)
    #expect(up.output.contains("FAIL  nftables  nft is missing\n") && up.output.contains("apt-get install nftables"))
    let down = try await CommandRunner.run(["doctor", "-o", "json"])
    #expect(down.code == 1)
    let checks = try JSONValue(parsing: Array(down.output.utf8))["checks"]?.array ?? []
    #expect(
      checks.contains {
        $0["name"] == "platform" && $0["state"] == "fail" && $0["hint"] == "start the platform with ‘pcli up’"
      })
  }

  @Test("doctor --attack ends with 0 only when all was asked and nothing is broken")
  func attack() async throws {
    let route = "POST /v1/agents/demo/attack"
    let whole = Fixtures.attacked.replacing(#""verdict":"broken""#, with: #""verdict":"held""#)
    let held = try await CommandRunner.run(["doctor", "--attack", "demo"], answers: [route: whole])
    #expect(held.code == 0 && held.output.hasPrefix("FAMILY"), "\(held.output)\(held.error)")
    #expect(held.requests.map(\.path) == ["/v1/agents/demo/attack"])
    let broken = try await CommandRunner.run(["doctor", "--attack", "demo"], answers: [route: Fixtures.attacked])
    #expect(broken.code == 1)
    let short = whole.split(separator: "\n").dropLast().joined(separator: "\n") + "\n"
    let cut = try await CommandRunner.run(["doctor", "--attack", "demo"], answers: [route: short])
    #expect(cut.code == 1 && cut.error.contains("broke off after 3 of 4 cases"))
    let nothing = try await CommandRunner.run(["doctor", "--attack", "demo"], answers: [route: ""])
    #expect(nothing.code == 1 && nothing.output.isEmpty)
    let conflict = #"{"error":{"code":"conflict","message":"the agent ‘demo’ does not run","hint":"start it first"}}"#
    let stopped = try await CommandRunner.run(["doctor", "--attack", "demo"], answers: [route: conflict])
    #expect(stopped.code == 5)
  }

  @Test("open shows the address, or what is missing")
  func open() async throws {
    // Port 1 of this machine answers nothing.
    let local = Fixtures.agent.replacing("10.77.0.5", with: "127.0.0.1").replacing("8080", with: "1")
    let shown = try await CommandRunner.run(["open", "demo"], answers: ["GET /v1/agents/demo": local])
    #expect(shown.code == 0 && shown.output == "http://127.0.0.1:1/\n")
    #expect(shown.error.contains("Nothing answers there yet"))
    let portless = try await CommandRunner.run(["open", "web"], answers: ["GET /v1/agents/web": Fixtures.stopped])
    #expect(portless.code == 1 && portless.error.contains("has no browser port"))
    let template = Fixtures.stopped.replacing(#""image":"oci-archive:/srv/web.tar""#, with: #""template":"ttyd""#)
    let stopped = try await CommandRunner.run(
      ["open", "web"], answers: ["GET /v1/agents/web": template, "GET /v1/agenttemplates/ttyd": Fixtures.template])
    #expect(stopped.code == 1 && stopped.error.contains("pcli run web"))
  }

  @Test("the terminal's settings come back however the work ends")
  func rawMode() async throws {
    let terminal = try Terminal()
    let before = terminal.flags
    try await TerminalMode.raw(terminal.descriptor) { #expect(terminal.flags != before) }
    #expect(terminal.flags == before)
    await #expect(throws: CancellationError.self) {
      try await TerminalMode.silent(terminal.descriptor) {
        #expect(terminal.flags != before)
        throw CancellationError()
      }
    }
    #expect(terminal.flags == before)
  }

  @Test("a read that nobody answers ends when its task is cancelled")
  func cancelledRead() async throws {
    let pipe = Pipe()
    let source = InputSource(descriptor: pipe.fileHandleForReading.fileDescriptor)
    let task = Task { try await source.next() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    withExtendedLifetime(pipe) {}
  }
}

/// A terminal of its own.
private final class Terminal: Sendable {
  private let main: Int32
  let descriptor: Int32

  init() throws {
    main = unsafe Glibc.open("/dev/ptmx", O_RDWR | O_NOCTTY)
    // TIOCSPTLCK and TIOCGPTN, which the imported headers leave out.
    var (locked, number): (Int32, Int32) = (0, 0)
    guard main >= 0, unsafe ioctl(main, 0x4004_5431, &locked) == 0, unsafe ioctl(main, 0x8004_5430, &number) == 0 else {
      throw PalanaError(.failed, "no terminal")
    }
    descriptor = unsafe Glibc.open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
  }

  deinit {
    close(descriptor)
    close(main)
  }

  var flags: [UInt32] {
    var settings = termios()
    unsafe tcgetattr(descriptor, &settings)
    return [settings.c_iflag, settings.c_oflag, settings.c_lflag]
  }
}
