import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// What a rule is limited to.
struct EgressRuleOptions: ParsableArguments {
  @Option(
    name: .customLong("method"), parsing: .singleValue,
    help: ArgumentHelp("Only this method, for example GET. Repeatable.", valueName: "method"))
  var methods: [String] = []
  @Option(
    name: .customLong("path"), parsing: .singleValue,
    help: ArgumentHelp("Only paths like this: * within a segment, ** across. Repeatable.", valueName: "glob"))
  var paths: [String] = []
  @Option(help: ArgumentHelp("Only Git with this repository, for example apple/swift or apple/*.", valueName: "repo"))
  var git: String?
  @Flag(help: "With --git: pushing as well; to deny it, pushing only.") var push = false
  @Option(
    name: .customLong("ref"), parsing: .singleValue,
    help: ArgumentHelp("With --push: only this ref, for example refs/heads/agent/*. Repeatable.", valueName: "ref"))
  var refs: [String] = []

  func validate() throws {
    guard git != nil || !push && refs.isEmpty else { throw ValidationError("--push and --ref go with --git") }
    guard push || refs.isEmpty else { throw ValidationError("--ref is about pushing: add --push") }
    guard git == nil || methods.isEmpty && paths.isEmpty else {
      throw ValidationError("--git says which requests are meant: leave --method and --path out")
    }
  }

  /// The rule that the options describe.
  /// - Throws: ``PalanaError`` with code `invalid`.
  func rule(_ action: EgressRule.Action, host: String) throws -> EgressRule {
    let place = try HostAndPort(host)
    return EgressRule(
      action: action, host: place.host, ports: place.port.map { [$0] },
      methods: methods.isEmpty ? nil : methods.map { $0.uppercased() }, paths: paths.isEmpty ? nil : paths,
      git: git.map { GitRule(repo: $0, push: push ? true : nil, refs: refs.isEmpty ? nil : refs) })
  }

  /// Adds the rule and says so.
  func add(_ action: EgressRule.Action, host: String, to agent: String, _ context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let rule = try rule(action, host: host)
    let entry = try await context.withClient { client in
      try await client.call(.addEgressRule, ["name": agent], body: try .json(encoding: rule), as: EgressRuleEntry.self)
    }
    let id = entry.rule.id.map { " (rule \($0))" } ?? ""
    try await context.output.done(
      "agent/\(agent) \(action == .allow ? "may" : "may not") reach \(EgressRuleText.text(entry.rule))\(id)", entry)
    return 0
  }
}

/// Rules in words.
enum EgressRuleText {
  /// For example `GET,HEAD api.github.com:443 /repos/**`.
  static func text(_ rule: EgressRule) -> String {
    var parts: [String] = []
    if let methods = rule.methods, !methods.isEmpty { parts.append(methods.joined(separator: ",")) }
    parts.append(rule.host + (rule.ports.map { ":" + $0.map(String.init).joined(separator: ",") } ?? ""))
    if let paths = rule.paths, !paths.isEmpty { parts.append(paths.joined(separator: ",")) }
    if let git = rule.git { parts.append(text(git, denies: rule.action == .deny)) }
    return parts.joined(separator: " ")
  }

  /// For example `git apple/swift push refs/heads/agent/*`.
  static func text(_ git: GitRule, denies: Bool) -> String {
    var parts = ["git", git.repo]
    if git.push == true { parts.append("push") } else if !denies { parts.append("fetch") }
    if let refs = git.refs, !refs.isEmpty { parts.append(refs.joined(separator: ",")) }
    return parts.joined(separator: " ")
  }
}
