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
    if let git { gitProblems(git, "\(path).git", &problems) }
    return problems.list
  }

  private func gitProblems(_ git: GitRule, _ path: String, _ problems: inout Problems) {
    problems.require(
      (methods ?? []).isEmpty && (paths ?? []).isEmpty, path,
      "a rule for repositories has neither methods nor paths: repo says which requests it is about")
    problems.require(
      (1...512).contains(git.repo.utf8.count) && !git.repo.utf8.contains { $0 <= 0x20 || $0 == 0x7f }, "\(path).repo",
      "the path of a repository or a glob such as apple/*, at most 512 bytes without white space")
    problems.require(
      action != .deny || git.push != false, "\(path).push",
      "in a deny rule push is true (only pushes are denied) or left out (fetches as well)")
    let refs = git.refs ?? []
    problems.require(refs.isEmpty || git.push == true, "\(path).refs", "refs are of pushes: they need push: true")
    problems.require(refs.count <= 64, "\(path).refs", "at most 64 refs")
    for (index, ref) in refs.enumerated() {
      problems.require(
        ref.hasPrefix("refs/") && ref.utf8.count <= 256 && !ref.utf8.contains { $0 <= 0x20 || $0 == 0x7f },
        "\(path).refs[\(index)]", "the full name of a ref such as refs/heads/main, or a glob that starts with refs/")
    }
    problems.unique(refs, "\(path).refs", "the ref")
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
