import Foundation
import PalanaCore
import Testing

@testable import PalanaCommands

@Suite("pcli: secrets")
struct SecretTests {
  private static let canary = "c4nary-51f0a9"
  private static let summary = """
    {"name":"GITHUB_PAT","access":"proxy-only","keys":[{"key":"token","placeholder":"TOKEN_GITHUB_PAT","variable":"GITHUB_PAT"}],
     "hosts":["api.github.com:443"],"places":["header:authorization"],"revision":1}
    """

  private func add(_ words: [String], input: String? = nil, summary: String = summary) async throws -> (
    CommandResult, JSONValue?
  ) {
    let result = try await CommandRunner.run(
      ["secrets", "add", "demo", "GITHUB_PAT"] + words, input: input.map { Array($0.utf8) },
      answers: ["POST /v1/agents/demo/secrets": summary])
    #expect(!result.output.contains(Self.canary) && !result.error.contains(Self.canary))
    return (result, try result.requests.first.map { try JSONValue(parsing: $0.body) })
  }

  @Test("values come from the line, a file, or standard input; one line end behind one line goes")
  func sources() async throws {
    let folder = try TemporaryFolder()
    let one = try folder.write("one", Self.canary + "\n")
    let crlf = try folder.write("crlf", Self.canary + "\r\n")
    let pem = try folder.write("pem", "-----BEGIN-----\n\(Self.canary)\n-----END-----\n")
    #expect(try await add(["token=\(Self.canary)"]).1?["values"] == ["token": .string(Self.canary)])
    #expect(try await add(["token=a=b=@c"]).1?["values"] == ["token": "a=b=@c"])
    #expect(try await add(["token=@\(one)"]).1?["values"] == ["token": .string(Self.canary)])
    #expect(try await add(["token=@\(crlf)"]).1?["values"] == ["token": .string(Self.canary)])
    #expect(
      try await add(["token=@\(pem)"]).1?["values"] == [
        "token": .string("-----BEGIN-----\n\(Self.canary)\n-----END-----\n")
      ])
    #expect(try await add(["token=-"], input: Self.canary + "\n").1?["values"] == ["token": .string(Self.canary)])
    #expect(
      try await add(["a=1", "b=@\(one)", "c=-"], input: "x").1?["values"] == [
        "a": "1", "b": .string(Self.canary), "c": "x",
      ])
  }

  @Test("the answer names placeholder, variable and hosts; a literal is remarked on once")
  func report() async throws {
    let (literal, _) = try await add(["token=\(Self.canary)"])
    #expect(
      literal.output == """
        secret/GITHUB_PAT of agent/demo added (proxy-only)
          token: the agent sees TOKEN_GITHUB_PAT in $GITHUB_PAT
          goes to api.github.com:443 in header:authorization

        """)
    #expect(literal.error == "The value stands in your shell's history now; KEY=@FILE and KEY=- keep it out.\n")
    let (input, _) = try await add(["token=-"], input: Self.canary)
    #expect(input.error.isEmpty)
    let (quiet, _) = try await add(["token=\(Self.canary)", "-q"])
    #expect(quiet.error.isEmpty && quiet.output.isEmpty && quiet.code == 0)
    let unbound = Self.summary.replacing(#"["api.github.com:443"]"#, with: "[]")
    let (inert, _) = try await add(["token=-"], input: "x", summary: unbound)
    #expect(inert.error.contains("pcli secrets bind demo GITHUB_PAT --host HOST"))
    let (json, _) = try await add(["token=-", "-o", "json"], input: "x")
    #expect(try JSONValue(parsing: Array(json.output.utf8))["keys"]?[0]?["placeholder"] == "TOKEN_GITHUB_PAT")
  }

  @Test(
    "what is no value is refused without repeating it",
    arguments: [
      ["\(canary)"], ["=\(canary)"], ["to ken=\(canary)"], ["token=\(canary)", "token=\(canary)"], ["a=-", "b=-"],
      ["token="],
      ["token=@/nonexistent/\(canary.count)"], [String(repeating: "k", count: 65) + "=\(canary)"],
    ])
  func refused(_ words: [String]) async throws {
    let (result, body) = try await add(words)
    // A word without `=` is a key to ask for; without a terminal nobody can be asked. It may be a value all the same.
    #expect([2, 3].contains(result.code), "\(result.error)")
    #expect(body == nil)
  }

  @Test("binary is refused, the flags and places travel")
  func flags() async throws {
    let folder = try TemporaryFolder()
    try Data([0xff, 0xfe]).write(to: URL(filePath: folder.path + "/bin"))
    #expect(try await add(["token=@\(folder.path)/bin"]).0.code == 2)
    let (_, readable) = try await add(["token=x", "--agent-readable"])
    #expect(readable?["access"] == "agent-readable" && readable?["hosts"] == nil)
    let (_, bound) = try await add(["token=x", "--host", "h:1", "--in", "query:key", "--placeholder", "sk-TOKEN0000"])
    #expect(bound?["hosts"] == ["h:1"] && bound?["places"] == ["query:key"] && bound?["placeholder"] == "sk-TOKEN0000")
  }

  @Test("shapes, requirements and the scope of signatures travel, and bind changes them")
  func extras() async throws {
    let (_, body) = try await add([
      "token=x", "--host", "h", "--in", "aws-sigv4", "--aws-region", "eu-west-1", "--aws-service", "s3", "--require",
      "--placeholder", "shape:aws-access-key",
    ])
    #expect(body?["require"] == true && body?["placeholder"] == "shape:aws-access-key")
    #expect(body?["aws"] == ["region": "eu-west-1", "service": "s3"])
    for words in [
      ["--in", "aws-sigv4"], ["--aws-region", "x"], ["--in", "cookie"], ["--agent-readable", "--require"],
    ] {
      #expect(try await add(["token=x"] + words).0.code == 2, "\(words)")
    }
    let bound = try await CommandRunner.run(
      ["secrets", "bind", "demo", "GITHUB_PAT", "--no-require"],
      answers: [
        "POST /v1/agents/demo/secrets/GITHUB_PAT/bind": Self.summary.replacing(
          #""revision""#, with: #""require":true,"aws":{"region":"r","service":"s"},"revision""#
        ).replacing("header:authorization", with: "aws-sigv4")
      ])
    #expect(bound.code == 0, "\(bound.error)")
    #expect(try JSONValue(parsing: try #require(bound.requests.first).body) == ["require": false])
    #expect(bound.output.contains("in aws-sigv4(r/s)\n  requests with another credential in its place are refused\n"))
  }

  @Test("rotate sends values only")
  func rotate() async throws {
    let result = try await CommandRunner.run(
      ["secrets", "rotate", "demo", "GITHUB_PAT", "token=-"], input: Array(Self.canary.utf8),
      answers: ["POST /v1/agents/demo/secrets/GITHUB_PAT/rotate": Self.summary])
    #expect(result.code == 0 && result.output == "secret/GITHUB_PAT of agent/demo rotated\n")
    #expect(
      try JSONValue(parsing: try #require(result.requests.first).body) == ["values": ["token": .string(Self.canary)]])
  }
}
