import Foundation
import PalanaCore
import Testing

@testable import PalanaCommands

@Suite("pcli: logs and other streams")
struct StreamTests {
  private static let lines = """
    {"time":"2026-11-21T00:59:00.000000Z","stream":"stdout","text":"hello"}
    {"time":"2026-11-21T00:59:01.000000Z","stream":"stderr","text":"\\u001b[31mred\\u001b[0m \\u001b[2J"}

    """

  private func logs(_ words: [String], terminal: Bool = false) async throws -> CommandResult {
    try await CommandRunner.run(
      ["logs", "demo"] + words, terminal: terminal, answers: ["GET /v1/agents/demo/logs": Self.lines])
  }

  @Test("lines for people, for a terminal, for programs")
  func formats() async throws {
    #expect(try await logs([]).output == "hello\n\u{1b}[31mred\u{1b}[0m \u{1b}[2J\n")
    #expect(try await logs([], terminal: true).output == "hello\n\u{1b}[31mred\u{1b}[0m \\x1b[2J\u{1b}[0m\n")
    #expect(try await logs(["-o", "json"]).output == Self.lines)
    #expect(try await logs(["-t"]).output.hasPrefix("2026-11-21T00:59:00.000000Z hello\n"))
  }

  @Test("options become the query")
  func query() async throws {
    let result = try await logs(["-f", "--since", "10m", "--previous", "--tail", "5"])
    #expect(
      result.requests.first?.uri
        == "/v1/agents/demo/logs?follow=true&since=2026-11-21T00%3A50%3A00.000000Z&previous=true&tail=5")
  }

  @Test("lines are shown as they come, in pieces of any size; an error at the end is one")
  func pieces() async throws {
    let sink = ByteBufferSink()
    let home = try TemporaryFolder()
    let handler: StubServer.Handler = { exchange in
      try await exchange.begin(type: "application/x-ndjson")
      let bytes = Array(Self.lines.utf8)
      for start in stride(from: 0, to: bytes.count, by: 7) {
        try await exchange.write(Array(bytes[start..<min(start + 7, bytes.count)]))
        // The first line must be out before the second is complete.
        while start > 80, !sink.text.contains("hello") { await Task.yield() }
      }
      try await exchange.write(Array(#"{"error":{"code":"unreachable","message":"the log broke off","hint":""}}"#.utf8))
      try await exchange.end()
    }
    let result = try await StubServer.with(home: home, handler) { _ in
      try await CommandRunner.run(["logs", "demo", "-f"], home: home.path, output: sink.sink)
    }
    #expect(result.code == 6 && result.error == "Error: the log broke off\n")
    #expect(sink.text.hasPrefix("hello\n"))
  }

  @Test("audit -f writes row by row under fixed headings")
  func follow() async throws {
    let result = try await CommandRunner.run(["audit", "-f"], answers: ["GET /v1/audit": Fixtures.events])
    let lines = result.output.split(separator: "\n")
    #expect(lines.count == 5 && lines[0].hasPrefix("TIME "))
    #expect(lines[1].contains("api.github.com") && lines[2].contains("host_not_allowed"))
    #expect(!result.output.contains("\u{1b}"))
  }

  @Test("a connection that breaks in the middle is unreachable")
  func broken() async throws {
    let result = try await CommandRunner.run(["logs", "demo"]) { exchange in
      try await exchange.begin(type: "application/x-ndjson")
      try await exchange.write(Array("{\"time\"".utf8))
      throw CancellationError()
    }
    #expect(result.code == 6 || result.code == 1, "\(result.error)")
    #expect(result.code != 0)
  }
}
