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

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let request = EgressTestRequest(method: method.uppercased(), url: url)
    let answer = try await context.withClient { client in
      try await client.json(.testEgress, ["name": agent], body: try .json(encoding: request))
    }
    let lines = Self.lines(answer, method: request.method, url: url, colour: context.output.colourOutput)
    try await context.output.result(answer, lines: { lines })
    return answer["allowed"]?.bool == true ? 0 : PalanaError.Code.denied.exitCode
  }

  /// The decision, the reason, and what each layer said.
  /// - Parameter answer: an `EgressTestResult`; steps are shown when the server tells them.
  static func lines(_ answer: JSONValue, method: String, url: String, colour: Bool) -> [String] {
    let allowed = answer["allowed"]?.bool == true
    let word = allowed ? "allow" : "deny"
    let code = colour ? Table.code(allowed ? .good : .bad) : nil
    var lines = [
      (code.map { $0 + word + "\u{1b}[0m" } ?? word) + "  " + TerminalText.safe("\(method) \(url)")
    ]
    func add(_ label: String, _ value: String?) {
      guard let value, !value.isEmpty else { return }
      lines.append("  \(label.padding(to: 12))\(TerminalText.safe(value))")
    }
    add("reason", answer["reason"]?.string)
    add("rule", answer["rule"]?.string)
    if let host = answer["host"]?.string { add("destination", host + (answer["port"]?.int.map { ":\($0)" } ?? "")) }
    add("policy", answer["policyVersion"]?.string)
    for step in answer["steps"]?.array ?? [] {
      let parts = [
        step["decision"]?.string, step["rule"]?.string, step["explanation"]?.string ?? step["message"]?.string,
      ]
      add(step["layer"]?.string ?? step["name"]?.string ?? "step", parts.compactMap { $0 }.joined(separator: "  "))
    }
    add("why", answer["explanation"]?.string)
    return lines
  }
}

extension String {
  /// With spaces behind it up to `width` characters, at least one.
  func padding(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
