package import PalanaCore

extension LLMBudgetSpec {
  /// A count that no limit needs to pass, and with which sums stay far from the end of the numbers.
  private static let most: Int64 = 1_000_000_000_000_000

  package func problems() -> [FieldError] {
    var problems = Problems()
    if let scope { Self.check(scope, &problems) }
    problems.require((models ?? []).count <= 64, "spec.models", "at most 64 models")
    for (index, model) in (models ?? []).enumerated() {
      problems.require(
        LLMModelPattern(model) != nil, "spec.models[\(index)]",
        "the name of a model of at most 128 bytes without white space, or a beginning of one with ‘*’ at its end")
    }
    problems.unique(models ?? [], "spec.models", "the model")
    problems.require(!(limits ?? []).isEmpty || concurrency != nil, "spec", "give at least one of limits and concurrency")
    for (index, limit) in (limits ?? []).enumerated() { Self.check(limit, "spec.limits[\(index)]", &problems) }
    problems.unique((limits ?? []).map(\.window), "spec.limits", "the window")
    Self.require(concurrency, "spec.concurrency", "calls", &problems)
    problems.require((1...100).contains(warnsAt), "spec.warnAt", "per cent, 1 to 100")
    return problems.list
  }

  private static func check(_ scope: LLMBudgetScope, _ problems: inout Problems) {
    problems.name(scope.agent, "spec.scope.agent")
    problems.name(scope.template, "spec.scope.template")
    problems.require(
      scope.agent == nil || scope.owner != nil, "spec.scope.agent", "needs the owner: another person’s agent may have the same name")
    let fixed: String? =
      switch scope.each {
      case .agent where scope.agent != nil: "one agent is chosen already"
      case .owner where scope.owner != nil: "one owner is chosen already"
      case .template where scope.template != nil: "one template is chosen already"
      default: nil
      }
    if let fixed { problems.add("spec.scope.each", fixed) }
  }

  private static func check(_ limit: LLMBudgetLimit, _ path: String, _ problems: inout Problems) {
    problems.require(
      limit.tokens != nil || limit.cost != nil || limit.requests != nil, path, "give at least one of tokens, cost and requests")
    require(limit.tokens, "\(path).tokens", "tokens", &problems)
    require(limit.requests, "\(path).requests", "requests", &problems)
  }

  private static func require(_ count: Int64?, _ path: String, _ what: String, _ problems: inout Problems) {
    guard let count else { return }
    // Nothing at all is a budget too: it stops whom it counts. No call at once would say the same less clearly.
    problems.require((what == "calls" ? 1...most : 0...most).contains(count), path, "\(what), \(what == "calls" ? 1 : 0) to 10^15")
  }
}

/// Which models are meant: one, or all whose names begin alike.
package struct LLMModelPattern: Hashable, Sendable {
  /// The name, or its beginning.
  package let text: String
  package let isPrefix: Bool

  /// - Parameter written: a name of 1 to 128 bytes without white space; with one `*` at its end it is the beginning of names, and alone it
  ///   is every name.
  package init?(_ written: String) {
    isPrefix = written.hasSuffix("*")
    text = isPrefix ? String(written.dropLast()) : written
    guard (1...128).contains(written.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "*") }) else {
      return nil
    }
  }

  package func matches(_ model: some StringProtocol) -> Bool {
    isPrefix ? model.utf8.starts(with: text.utf8) : model.utf8.elementsEqual(text.utf8)
  }
}
