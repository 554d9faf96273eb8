import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli egress test AGENT METHOD URL`
struct EgressTest: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "test", abstract: "Say what would be decided about a request, and why. Nothing is sent.",
    discussion: "Exits 0 when the request would be allowed, 4 when it would be denied.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var agent: String
  @Argument(help: "The method, for example GET.") var method: String
  @Argument(help: "The whole URL, http:// or https://.") var url: String
  @Option(
    name: .customLong("ref"), parsing: .singleValue,
    help: ArgumentHelp("A ref that the push would change, for POST …/git-receive-pack. Repeatable.", valueName: "ref"))
  var refs: [String] = []

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let request = EgressTestRequest(method: method.uppercased(), url: url, refs: refs.isEmpty ? nil : refs)
    let answer = try await context.withClient { client in
      try await client.call(.testEgress, ["name": agent], body: try .json(encoding: request), as: EgressTestResult.self)
    }
    let lines = Self.lines(answer, method: request.method, url: url, colour: context.output.colourOutput)
    try await context.output.result(try JSONText.value(of: answer), lines: { lines })
    return answer.allowed ? 0 : PalanaError.Code.denied.exitCode
  }

  /// The decision, the reason, and what each layer said.
  static func lines(_ answer: EgressTestResult, method: String, url: String, colour: Bool) -> [String] {
    let word = answer.allowed ? "allow" : "deny"
    let code = colour ? Table.code(answer.allowed ? .good : .bad) : nil
    var sections = Sections()
    sections.add("  reason", answer.reason)
    sections.add("  rule", answer.rule)
    sections.add("  decided on", "\(answer.host):\(answer.port) (\(answer.stage))")
    sections.add("  policy", answer.policyVersion)
    for step in answer.steps {
      let rule = step.rule.map { " by \($0)" } ?? ""
      sections.add("  \(step.layer)", "\(step.verdict)\(rule): \(step.explanation)")
    }
    sections.add("  why", answer.explanation)
    return [(code.map { $0 + word + "\u{1b}[0m" } ?? word) + "  " + TerminalText.safe("\(method) \(url)")]
      + sections.lines()
  }
}

extension String {
  /// With spaces behind it up to `width` characters, at least one.
  func padding(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
