import ArgumentParser
import PalanaAudit
import PalanaControlAPI
import PalanaCore

/// `pcli audit verify [--file EXPORT]`
struct AuditVerify: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check that no event was edited, removed or reordered.",
    discussion: """
      Asks the platform; with --file checks an export (‘pcli audit --all -o json > FILE’) without it, so that nobody has to be believed. \
      Note the head of a check elsewhere and give it later as --head: then a cut of the end shows too. Exits 1 when something is wrong.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Option(help: ArgumentHelp("An export; - for standard input.", valueName: "file"), completion: .file())
  var file: String?
  @Option(
    help: ArgumentHelp("With --file: a head noted earlier, which must still be there.", valueName: "seq:hash"))
  var head: String?
  @Flag(help: "With --file: the export begins later than the log on purpose (it was limited).") var partial = false

  func validate() throws {
    if file == nil, head != nil || partial { throw ValidationError("--head and --partial go with --file") }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    let result: AuditVerifyResult
    if let file {
      result = try await offline(file, context.io)
    } else {
      result = try await context.withClient { client in try await client.call(.verifyAudit) }
    }
    let lines = Self.lines(result, colour: context.output.colourOutput)
    let quiet = context.output.quiet && result.ok
    try await context.output.result(try JSONText.value(of: result), lines: { quiet ? [] : lines })
    return result.ok ? 0 : PalanaError.Code.failed.exitCode
  }

  private func offline(_ path: String, _ io: CommandIO) async throws -> AuditVerifyResult {
    var verifier = AuditVerifier(noted: try head.map(Self.link))
    var splitter = LineSplitter()
    try await InputFile.read(path, io) { bytes in
      for line in try splitter.push(bytes) { verifier.add(line: line) }
    }
    if let last = splitter.finish() { verifier.add(line: last) }
    var verification = verifier.finish()
    if partial {
      let front = verification.problems.filter { $0.kind == .truncatedFront }.count
      verification.problems.removeAll { $0.kind == .truncatedFront }
      verification.problemCount -= Int64(front)
    }
    return AuditVerifyResult(verification)
  }

  /// Reads `SEQ:HASH`.
  /// - Throws: ``PalanaError`` with code `invalid`.
  static func link(_ text: String) throws(PalanaError) -> AuditVerifier.Link {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, let seq = Int64(parts[0]), seq > 0, parts[1].utf8.count == 64,
      parts[1].utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
    else {
      throw PalanaError(
        .invalid, "‘--head \(text.prefix(80))’ is not SEQ:HASH",
        hint: "it is what an earlier ‘pcli audit verify’ printed")
    }
    return .init(seq: seq, hash: parts[1])
  }

  /// For people.
  static func lines(_ result: AuditVerifyResult, colour: Bool) -> [String] {
    let word = result.ok ? "intact" : "BROKEN"
    let code = colour ? Table.code(result.ok ? .good : .bad) : nil
    var lines = ["The audit trail is " + (code.map { $0 + word + "\u{1b}[0m" } ?? word) + "."]
    var sections = Sections()
    let range = result.firstSeq.flatMap { first in result.lastSeq.map { " (\(first) to \($0))" } } ?? ""
    sections.add("  Events", "\(result.events)\(range)")
    if let head = result.head, let last = result.lastSeq { sections.add("  Head", "\(last):\(head)") }
    if !result.ok {
      sections.add("  Problems", "\(result.problemCount)")
      sections.add("  First", result.problems.prefix(20).map { "\($0.kind.rawValue): \($0.message)" })
    }
    lines += sections.lines()
    return lines
  }
}
