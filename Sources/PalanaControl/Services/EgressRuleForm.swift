import PalanaAPI
import PalanaCore
import PalanaPolicy

/// Written egress rules: their identifiers and whether the policy can read them.
enum EgressRuleForm {
  /// Problems of a list of rules, each with the path of its rule.
  static func problems(_ rules: [EgressRule]?, at path: String) -> [FieldError] {
    var problems: [FieldError] = []
    for (index, rule) in (rules ?? []).enumerated() {
      do { try CompiledRules.validate(rule, place: "\(path)[\(index)]") } catch {
        problems.append(FieldError("", error.hint.isEmpty ? error.message : "\(error.message) (\(error.hint))"))
      }
    }
    return problems
  }

  /// Gives every rule without an identifier one: that of an equal rule in `old`, else a fresh one.
  ///
  /// Fresh ones are random, not counted up: a number that was given back would make two rules look like one in the
  /// audit trail.
  static func identified(_ rules: [EgressRule], old: [EgressRule]?) -> [EgressRule] {
    var taken = Set(rules.compactMap(\.id))
    var known: [EgressRule: String] = [:]
    for rule in old ?? [] {
      guard let id = rule.id else { continue }
      var bare = rule
      bare.id = nil
      known[bare] = id
    }
    return rules.map { rule in
      guard rule.id == nil else { return rule }
      var named = rule
      if let id = known[rule], taken.insert(id).inserted {
        named.id = id
        return named
      }
      named = fresh(rule, taken: taken)
      if let id = named.id { taken.insert(id) }
      return named
    }
  }

  /// The rule with a new identifier that is not in `taken`.
  static func fresh(_ rule: EgressRule, taken: Set<String>) -> EgressRule {
    var named = rule
    var id = "r-" + RandomToken.hex(bytes: 3)
    while taken.contains(id) { id = "r-" + RandomToken.hex(bytes: 3) }
    named.id = id
    return named
  }
}
