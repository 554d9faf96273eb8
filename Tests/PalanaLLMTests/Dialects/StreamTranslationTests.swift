import Foundation
import NIOCore
import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaLLM

/// `NAME.in.txt` → `NAME.out.txt`, read in review. `PALANA_RECORD_GOLDEN=1` writes the latter anew and fails.
@Suite struct StreamTranslationTests {
  static let golden: [(String, Dialect)] = [
    ("messages-text", .anthropicMessages), ("messages-tools", .anthropicMessages), ("messages-error", .anthropicMessages),
    ("chat-text", .openAIChat), ("chat-tools", .openAIChat), ("chat-error", .openAIChat),
  ]

  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")

  static func translate(_ bytes: [some Sequence<UInt8>], _ dialect: Dialect, wantsUsage: Bool = true) throws -> String {
    var options = Translation()
    options.created = 1_700_000_000
    var translation = StreamTranslation(from: dialect, options, wantsUsage: wantsUsage)
    var scanner = EventScanner()
    var written = ByteBuffer()
    for piece in bytes {
      scanner.append(ByteBuffer(bytes: piece))
      while let event = try scanner.next() { written.writeImmutableBuffer(translation.take(event)) }
    }
    if let event = scanner.finish() { written.writeImmutableBuffer(translation.take(event)) }
    written.writeImmutableBuffer(translation.finish())
    return String(buffer: written)
  }

  @Test(arguments: golden) func asRecorded(_ name: String, _ dialect: Dialect) async throws {
    let stream = Array(try Data(contentsOf: Self.folder.appending(path: "\(name).in.txt")))
    let translated = try Self.translate([stream], dialect)
    let file = Self.folder.appending(path: "\(name).out.txt")
    if ProcessInfo.processInfo.environment["PALANA_RECORD_GOLDEN"] == "1" {
      try translated.write(to: file, atomically: true, encoding: .utf8)
      Issue.record("recorded \(name)")
      return
    }
    #expect(try translated == String(contentsOf: file, encoding: .utf8))
    #expect(try Self.translate(stream.map { [$0] }, dialect) == translated)
    for cut in stride(from: 0, through: stream.count, by: 7) {
      if cut % 700 == 0 { await Task.yield() }
      #expect(try Self.translate([stream[..<cut], stream[cut...]], dialect) == translated)
    }
  }

  /// What was translated says the same of itself as what it was made of.
  @Test(arguments: golden) func saysTheSameOfItself(_ name: String, _ dialect: Dialect) throws {
    func report(_ stream: [UInt8], _ dialect: Dialect) throws -> AnswerReport {
      var scanner = EventScanner()
      scanner.append(ByteBuffer(bytes: stream))
      var reader = UsageReader(dialect: dialect)
      while let event = try scanner.next() { _ = reader.take(event) }
      return reader.current
    }
    let stream = Array(try Data(contentsOf: Self.folder.appending(path: "\(name).in.txt")))
    let other: Dialect = dialect == .openAIChat ? .anthropicMessages : .openAIChat
    let before = try report(stream, dialect)
    let after = try report(Array(try Self.translate([stream], dialect).utf8), other)
    #expect(after.toolCalls == before.toolCalls)
    #expect(after.isError == before.isError)
    if !before.isError {
      #expect(after.usage == before.usage)
      #expect(after.isUsageFinal)
    }
  }

  @Test func usageIsSaidToThoseWhoAsked() throws {
    let stream = Array(try Data(contentsOf: Self.folder.appending(path: "messages-text.in.txt")))
    let silent = try Self.translate([stream], .anthropicMessages, wantsUsage: false)
    #expect(!silent.contains("usage"))
    #expect(silent.hasSuffix("data: [DONE]\n\n"))
  }

  static let broken: [(String, Dialect)] = [
    ("", .anthropicMessages), ("", .openAIChat), ("data: {\n\n", .anthropicMessages), ("data: []\n\n", .openAIChat),
    ("data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n", .anthropicMessages),
    ("data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", .openAIChat),
    ("data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n", .openAIChat),
    ("data: [DONE]\n\n", .openAIChat),
    ("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"x\"}}]}}]}\n\n", .openAIChat),
  ]

  @Test(arguments: broken) func whatIsNotWholeEndsInAnError(_ stream: String, _ dialect: Dialect) throws {
    let translated = try Self.translate([stream.utf8], dialect)
    let last = try #require(translated.components(separatedBy: "\n\n").dropLast().last)
    #expect(last.contains("\"error\""))
    #expect(last.hasPrefix("event: error") == (dialect == .openAIChat))
    #expect(!translated.contains("[DONE]") && !translated.contains("message_stop"))
  }

  @Test func nothingFollowsTheEnd() throws {
    let end = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n"
    let translated = try Self.translate([(end + end).utf8], .anthropicMessages)
    #expect(translated.components(separatedBy: "[DONE]").count == 2)
  }

  /// Providers that number all calls alike, and one that ends without `[DONE]`.
  @Test func callsAreToldApartByTheirIDs() throws {
    let call = { (id: String) in
      "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"\(id)\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n"
    }
    let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
    let translated = try Self.translate([(call("a") + call("b") + end).utf8], .openAIChat)
    #expect(translated.components(separatedBy: "\"tool_use\",\"id\"").count == 3)
    #expect(translated.contains("\"stop_reason\":\"tool_use\""))
    #expect(translated.hasSuffix("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"))
  }
}
