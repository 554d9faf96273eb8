import Foundation
import PalanaCore
import Testing

@testable import PalanaCommands

@Suite("pcli: errors and exit codes")
struct ExitCodeTests {
  static let codes: [(PalanaError.Code, Int, Int32)] = [
    (.failed, 500, 1), (.invalid, 400, 2), (.notFound, 404, 3), (.denied, 403, 4), (.conflict, 409, 5),
    (.unreachable, 503, 6),
  ]

  @Test("the server's error becomes a sentence, a hint and a code", arguments: codes.indices)
  func serverErrors(_ index: Int) async throws {
    let (code, status, exit) = Self.codes[index]
    let handler: StubServer.Handler = { exchange in
      try await exchange.reply(
        status, #"{"error":{"code":"\#(code.rawValue)","message":"it is so","hint":"do that"}}"#)
    }
    let table = try await CommandRunner.run(["list"], handler)
    #expect(table.code == exit)
    #expect(table.error == "Error: it is so\n  do that\n")
    let json = try await CommandRunner.run(["list", "-o", "json"], handler)
    #expect(json.code == exit)
    #expect(json.output.isEmpty)
    let envelope = try JSONDecoder().decode(PalanaError.Envelope.self, from: Data(json.error.utf8))
    #expect(envelope.error == PalanaError(code, "it is so", hint: "do that"))
  }

  @Test(
    "an answer that is no error of ours is told by its status",
    arguments: [(404, 3), (401, 4), (500, 1), (503, 6), (409, 5)])
  func foreignErrors(_ status: Int, _ exit: Int) async throws {
    let result = try await CommandRunner.run(["list"]) { try await $0.reply(status, "<html>", type: "text/html") }
    #expect(result.code == Int32(exit))
  }

  @Test("no socket is unreachable, with the way out")
  func unreachable() async throws {
    let result = try await CommandRunner.run(["list"])
    #expect(result.code == 6)
    #expect(result.error.contains("start the platform with ‘pcli up’"))
  }

  @Test("a home that no socket's name can hold is wrong usage; a strange one works")
  func homes() async throws {
    #expect(try await CommandRunner.run(["list", "--home", "/" + String(repeating: "x", count: 100)]).code == 2)
    let folder = try TemporaryFolder()
    let home = try TemporaryFolder(in: folder.path, named: "Ü %2F Case")
    let result = try await StubServer.with(home: home, { try await $0.reply(Fixtures.agents) }) { _ in
      try await CommandRunner.run(["-q", "list", "--home", home.path])
    }
    #expect(result.output == "demo\nweb\nnew\n", "\(result.error)")
  }

  @Test("a file that is no socket, and a closed one, are unreachable too")
  func deadSocket() async throws {
    let home = try TemporaryFolder()
    _ = try home.write("run/control.sock", "")
    #expect(try await CommandRunner.run(["list"], home: home.path).code == 6)
  }

  @Test("an answer that makes no sense is failed, not a crash", arguments: ["", "{", "[]", #"{"items":7}"#, "null"])
  func nonsense(_ answer: String) async throws {
    for line in [["whoami"], ["status"], ["secrets", "list", "demo"], ["kill", "demo", "--reason", "x"]] {
      let result = try await CommandRunner.run(line) { try await $0.reply(answer) }
      #expect(result.code == 1, "\(line) \(result.error)")
    }
  }

  @Test("terminal escapes of an error are shown, not obeyed")
  func escapes() async throws {
    let result = try await CommandRunner.run(["list"], terminal: true, environment: ["NO_COLOR": "1"]) {
      try await $0.reply(404, #"{"error":{"code":"not_found","message":"no \u001b[2Jx","hint":"\u009b31m"}}"#)
    }
    #expect(result.error == "Error: no \\x1b[2Jx\n  \\x9b31m\n")
  }

  @Test("a reader that went away ends the command quietly, as SIGPIPE would")
  func brokenPipe() async throws {
    let home = try TemporaryFolder()
    let handler: StubServer.Handler = { try await $0.reply(Fixtures.agents) }
    let result = try await StubServer.with(home: home, handler) { _ in
      try await CommandRunner.run(["list"], home: home.path, output: ByteSink { _ in throw BrokenPipe() })
    }
    #expect(result.code == 141)
    #expect(result.error.isEmpty)
  }

  @Test("a token never crosses a network in clear")
  func clearToken() async throws {
    for server in ["http://palana.example:7180", "http://10.1.2.3", "http://[2001:db8::1]:80"] {
      let result = try await CommandRunner.run(["--server", server, "list"], environment: ["PALANA_TOKEN": "t0ken"])
      #expect(result.code == 4)
      #expect(result.error.contains("clear text"))
    }
    let none = try await CommandRunner.run(["--server", "https://palana.example", "list"])
    #expect(none.code == 4 && none.error.contains("PALANA_TOKEN"))
    for server in ["ftp://x", "palana.example", "https://u:p@x", "https://x/path", "https://x?y"] {
      let result = try await CommandRunner.run(["--server", server, "list"], environment: ["PALANA_TOKEN": "t"])
      #expect(result.code == 2, "\(server)")
    }
    let local = try await CommandRunner.run(
      ["--server", "http://127.0.0.1:1", "list"], environment: ["PALANA_TOKEN": "t"])
    #expect(local.code == 6)
  }
}
