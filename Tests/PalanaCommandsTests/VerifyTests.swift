import Foundation
import PalanaAudit
import PalanaCore
import Testing

@testable import PalanaCommands

@Suite("pcli: audit verify --file")
struct VerifyTests {
  /// A true chain of `count` records.
  private static func chain(_ count: Int) -> [String] {
    var previous = AuditChain.Hash.zero
    return (1...count).map { number in
      let event = Array(
        #"{"time":"2026-11-21T00:00:00.000000Z","component":"egress","action":"request","decision":"allow","details":{"n":"\#(number)"}}"#
          .utf8)
      let hash = AuditChain.hash(seq: Int64(number), event: event, previous: previous)
      let line = AuditChain.line(seq: Int64(number), event: event, previous: previous, hash: hash)
      previous = hash
      return String(decoding: line, as: UTF8.self).trimmingLineEnds()
    }
  }

  private func verify(_ lines: [String], _ words: String...) async throws -> CommandResult {
    let folder = try TemporaryFolder()
    let file = try folder.write("export.ndjson", lines.joined(separator: "\n") + "\n")
    return try await CommandRunner.run(["audit", "verify", "--file", file] + words)
  }

  @Test("an untouched export is intact, from a file and from standard input")
  func intact() async throws {
    let lines = Self.chain(20)
    let result = try await verify(lines)
    #expect(result.code == 0 && result.output.hasPrefix("The audit trail is intact.\n"), "\(result.output)")
    let input = try await CommandRunner.run(
      ["audit", "verify", "--file", "-", "-o", "json"], input: Array(lines.joined(separator: "\n").utf8))
    #expect(try JSONValue(parsing: Array(input.output.utf8))["events"] == 20)
  }

  @Test("edits, gaps and order show; so do cut ends, when the head is known")
  func broken() async throws {
    let lines = Self.chain(20)
    var edited = lines
    edited[5] = edited[5].replacing("allow", with: "error")
    var gap = lines
    gap.remove(at: 9)
    var order = lines
    order.swapAt(3, 4)
    for (export, word) in [
      (edited, "edited"), (gap, "missing"), (order, "reordered"), (lines + ["nonsense"], "unreadable"),
    ] {
      let result = try await verify(export)
      #expect(result.code == 1 && result.output.contains("BROKEN") && result.output.contains(word), "\(result.output)")
    }
    let whole = try await verify(lines, "-o", "json")
    let head = try #require(try JSONValue(parsing: Array(whole.output.utf8))["head"]?.string)
    #expect(try await verify(Array(lines.dropLast()), "--head", "20:\(head)").code == 1)
    #expect(try await verify(lines, "--head", "20:\(head)").code == 0)
    #expect(try await verify(lines, "--head", "20:xyz").code == 2)
    #expect(try await verify(Array(lines.dropFirst(5))).code == 1)
    #expect(try await verify(Array(lines.dropFirst(5)), "--partial").code == 0)
  }
}
