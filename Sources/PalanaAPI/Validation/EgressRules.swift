package import PalanaCore

extension EgressRule {
  /// Every problem that shows without knowing what a host pattern means; the full check of `host` and `paths` is the policy's
  /// compiler, which the control plane asks as well.
  /// - Parameter path: of this rule, for example `spec.rules[0]`.
  package func problems(at path: String) -> [FieldError] {
    var problems = Problems()
    if let id {
      problems.require(
        (1...63).contains(id.utf8.count) && id.utf8.allSatisfy { TextShape.isAlphanumeric($0, or: "-_.") },
        "\(path).id",
        "1 to 63 letters, digits, dashes, dots and underscores")
    }
    problems.require(!host.isEmpty, "\(path).host", "required")
    problems.require(
      host.utf8.count <= 256 && !host.utf8.contains { $0 <= 0x20 || $0 == 0x7f }, "\(path).host",
      "at most 256 bytes without white space")
    problems.ports(ports ?? [], "\(path).ports")
    if let ports { problems.require(!ports.isEmpty, "\(path).ports", "leave it out for the usual ports") }
    for (index, method) in (methods ?? []).enumerated() {
      problems.require(
        TextShape.isMethod(method), "\(path).methods[\(index)]", "a method is an upper-case token such as GET")
    }
    problems.unique(methods ?? [], "\(path).methods", "the method")
    for (index, glob) in (paths ?? []).enumerated() {
      problems.require(
        glob.hasPrefix("/") && glob.utf8.count <= 1024 && !glob.utf8.contains { $0 <= 0x20 || $0 == 0x7f },
        "\(path).paths[\(index)]", "a path starts with ‘/’ and has at most 1024 bytes without white space")
    }
    for (index, scheme) in (schemes ?? []).enumerated() {
      problems.require(scheme == "https" || scheme == "http", "\(path).schemes[\(index)]", "https or http")
    }
    return problems.list
  }
}

extension Problems {
  mutating func rules(_ rules: [EgressRule], _ path: String) {
    require(rules.count <= 1000, path, "at most 1000 rules")
    for (index, rule) in rules.prefix(1000).enumerated() {
      for problem in rule.problems(at: "\(path)[\(index)]") { add(problem.path, problem.message) }
    }
    var seen: Set<String> = []
    for (index, rule) in rules.enumerated() {
      if let id = rule.id, !seen.insert(id).inserted { add("\(path)[\(index)].id", "stands twice") }
    }
  }

  mutating func selector(_ selector: AgentSelector?, _ path: String) {
    guard let selector else { return }
    for (index, agent) in (selector.agents ?? []).enumerated() { name(agent, "\(path).agents[\(index)]") }
    for (index, template) in (selector.templates ?? []).enumerated() { name(template, "\(path).templates[\(index)]") }
    labels(selector.matchLabels, "\(path).matchLabels")
    // An empty list could be read as “none” or as “all”; for a rule that grants reach neither may be a guess.
    if selector.agents?.isEmpty == true { add("\(path).agents", "leave it out to mean every agent") }
    if selector.owners?.isEmpty == true { add("\(path).owners", "leave it out to mean every owner") }
    if selector.templates?.isEmpty == true { add("\(path).templates", "leave it out to mean every template") }
  }

  mutating func labels(_ labels: [String: String]?, _ path: String) {
    for (key, value) in (labels ?? [:]).sorted(by: { $0.key < $1.key }) {
      require(
        TextShape.isLabelKey(key), path,
        "‘\(key.prefix(80))’ is not a label’s name ([PREFIX/]NAME, at most 63 characters)")
      require(
        value.isEmpty || TextShape.isLabelText(value), "\(path).\(key.prefix(80))",
        "at most 63 letters, digits, dashes, dots and underscores")
    }
  }
}
