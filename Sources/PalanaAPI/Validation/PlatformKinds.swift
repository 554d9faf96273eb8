package import PalanaCore

/// The kinds that only the platform writes are checked as well: a mistake of ours must not end in the store either.
extension SecretBindingSpec {
  package func problems() -> [FieldError] {
    var problems = Problems()
    problems.name(agent, "spec.agent")
    problems.require(
      TextShape.isIdentifier(secret, limit: 64), "spec.secret",
      "1 to 64 letters, digits and ‘_’, not starting with a digit")
    problems.require((1...64).contains(keys.count), "spec.keys", "1 to 64 keys")
    for (index, key) in keys.enumerated() {
      let path = "spec.keys[\(index)]"
      problems.require(
        (1...128).contains(key.key.utf8.count) && key.key.utf8.allSatisfy { TextShape.isAlphanumeric($0, or: "-_.") },
        "\(path).key", "1 to 128 letters, digits, dashes, dots and underscores")
      if let variable = key.variable {
        problems.require(TextShape.isIdentifier(variable, limit: 128), "\(path).variable", "is not a variable’s name")
        problems.require(
          !variable.hasPrefix("PALANA_") && !Problems.reservedVariables.contains(variable), "\(path).variable",
          "the platform sets this variable itself")
      }
      if let placeholder = key.placeholder {
        problems.require(
          (8...512).contains(placeholder.utf8.count) && placeholder.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f },
          "\(path).placeholder", "8 to 512 printable characters without white space")
      }
    }
    problems.unique(keys.map(\.key), "spec.keys", "the key")
    problems.unique(keys.compactMap(\.placeholder), "spec.keys", "the placeholder")
    problems.unique(keys.compactMap(\.variable), "spec.keys", "the variable")
    for (field, hosts) in [("hosts", hosts), ("tokenHosts", tokenHosts ?? [])] {
      for (index, host) in hosts.enumerated() {
        problems.require(
          (1...300).contains(host.utf8.count) && !host.utf8.contains { $0 <= 0x20 || $0 == 0x7f }, "spec.\(field)[\(index)]",
          "HOST or HOST:PORT without white space")
      }
    }
    for (index, place) in places.enumerated() {
      problems.require(
        Self.isPlace(place), "spec.places[\(index)]", "header:NAME, basic, query:NAME, path, body, websocket or aws-sigv4")
    }
    if let aws {
      problems.require(AWSScope.isName(aws.region), "spec.aws.region", "the name of a region, for example eu-west-1")
      problems.require(AWSScope.isName(aws.service), "spec.aws.service", "the name of a service, for example s3")
    }
    problems.require(
      places.contains("aws-sigv4") == (aws != nil), "spec.aws", "stands with the place aws-sigv4, and only with it")
    problems.require(
      type == nil || access == .proxyOnly && keys.map(\.key) == ["token"], "spec.type",
      "a secret that tokens are made with is proxy-only and has the key token alone")
    problems.require(revision >= 0, "spec.revision", "not negative")
    return problems.list
  }

  private static func isPlace(_ text: String) -> Bool {
    if ["basic", "path", "body", "websocket", "aws-sigv4"].contains(text) { return true }
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, (1...128).contains(parts[1].utf8.count) else { return false }
    switch parts[0] {
    case "header": return parts[1].utf8.allSatisfy { TextShape.isAlphanumeric($0, or: "!#$%&'*+-.^_`|~") }
    case "query": return parts[1].utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
    default: return false
    }
  }
}

extension KillOrderSpec {
  package func problems() -> [FieldError] {
    var problems = Problems()
    problems.require(
      (1...1024).contains(reason.utf8.count) && !TextShape.hasControl(reason), "spec.reason",
      "say why, in 1 to 1024 bytes on one line")
    if case .template(let name) = target { problems.name(name, "spec.target.template") }
    return problems.list
  }
}
