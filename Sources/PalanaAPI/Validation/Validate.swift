package import PalanaCore

extension Resource {
  /// Every problem of the object, in the order of its fields; empty when it is sound. Pure.
  package func validate() -> [FieldError] { metadata.problems() + spec.problems() }

  /// The problems of replacing `old` by this object, ``validate()`` included: immutable fields.
  package func validateUpdate(from old: Self) -> [FieldError] { validate() + spec.problems(replacing: old.spec) }

  /// - Throws: ``PalanaError`` with code `invalid` that lists every problem.
  package func check() throws(PalanaError) {
    if let error = PalanaError(validate()) { throw error }
  }

  /// - Throws: ``PalanaError`` with code `invalid` that lists every problem, also of the change itself.
  package func check(replacing old: Self) throws(PalanaError) {
    if let error = PalanaError(validateUpdate(from: old)) { throw error }
  }
}

extension ObjectMeta {
  func problems() -> [FieldError] {
    var problems = Problems()
    problems.labels(labels, "metadata.labels")
    var size = 0
    for (key, value) in (annotations ?? [:]).sorted(by: { $0.key < $1.key }) {
      problems.require(
        TextShape.isLabelKey(key), "metadata.annotations",
        "‘\(key.prefix(80))’ is not an annotation’s name ([PREFIX/]NAME, at most 63 characters)")
      size += key.utf8.count + value.utf8.count
    }
    problems.require(size <= 256 << 10, "metadata.annotations", "at most 256 KiB together")
    return problems.list
  }
}

extension AgentSpec {
  package func problems() -> [FieldError] {
    var problems = Problems()
    if let template, !template.isEmpty { problems.name(template, "spec.template") }
    problems.image(image, "spec.image")
    problems.command(command, "spec.command")
    problems.workingDirectory(workingDirectory, "spec.workingDirectory")
    problems.env(env, "spec.env")
    problems.resources(resources, "spec.resources")
    problems.lifecycle(lifecycle, "spec.lifecycle")
    problems.reasoning(reasoning, "spec.reasoning")
    problems.agentPorts(ports, "spec.ports")
    problems.name(trust?.profile, "spec.trust.profile")
    problems.name(trust?.phase, "spec.trust.phase")
    problems.rules(egress?.rules ?? [], "spec.egress.rules")
    for (index, secret) in (secrets ?? []).enumerated() {
      problems.require(
        TextShape.isIdentifier(secret.name, limit: 64), "spec.secrets[\(index)].name",
        "1 to 64 letters, digits and ‘_’, not starting with a digit")
    }
    problems.unique((secrets ?? []).map(\.name), "spec.secrets", "the name")
    return problems.list
  }
}

extension AgentTemplateSpec {
  package func problems() -> [FieldError] {
    var problems = Problems()
    problems.require((description ?? "").utf8.count <= 1024, "spec.description", "at most 1024 bytes")
    problems.image(image, "spec.image")
    problems.command(command, "spec.command")
    problems.workingDirectory(workingDirectory, "spec.workingDirectory")
    problems.env(env, "spec.env")
    problems.resources(resources, "spec.resources")
    problems.lifecycle(lifecycle, "spec.lifecycle")
    problems.reasoning(reasoning, "spec.reasoning")
    problems.agentPorts(ports, "spec.ports")
    problems.rules(egress?.rules ?? [], "spec.egress.rules")
    for (index, program) in (requires ?? []).enumerated() {
      let path = "spec.requires[\(index)]"
      problems.require(
        (1...128).contains(program.name.utf8.count)
          && program.name.utf8.allSatisfy { TextShape.isAlphanumeric($0, or: "-_.+") },
        "\(path).name", "the name of a program without its folder")
      problems.require(
        (1...1024).contains(program.hint.utf8.count), "\(path).hint", "say how to provide it, in at most 1024 bytes")
    }
    return problems.list
  }
}

extension EgressPolicySpec {
  package func problems() -> [FieldError] {
    var problems = Problems()
    problems.selector(selector, "spec.selector")
    problems.require(!rules.isEmpty, "spec.rules", "at least one rule")
    problems.rules(rules, "spec.rules")
    return problems.list
  }
}

extension PeeringRuleSpec {
  package func problems() -> [FieldError] {
    var problems = Problems()
    problems.name(from, "spec.from")
    problems.name(to, "spec.to")
    problems.require(from != to, "spec.to", "an agent needs no rule to reach itself")
    problems.require(!ports.isEmpty, "spec.ports", "at least one port")
    problems.ports(ports, "spec.ports")
    return problems.list
  }
}
