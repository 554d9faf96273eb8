/// The one place where a request is decided: native rules first, then every guardrail; deny wins.
///
/// The egress gateway, the second data plane and `pcli egress test` all ask this type, so they agree by construction.
/// One core per agent (its rules differ); guardrails and their cache may be shared between cores.
package final class DecisionCore: Sendable {
  package let rules: CompiledRules
  private let guardrails: [any Guardrail]
  private let cache: GuardrailCache

  /// - Parameters:
  ///   - rules: what applies to the agent.
  ///   - guardrails: asked in order; each must not deny.
  ///   - cache: remembers guardrail answers for as long as they said.
  package init(rules: CompiledRules, guardrails: [any Guardrail] = [], cache: GuardrailCache = GuardrailCache()) {
    self.rules = rules
    self.guardrails = guardrails
    self.cache = cache
  }

  /// Identifies the rules and guardrails that are in force at this moment.
  package var policyVersion: String { Self.version(rules, guardrails.map(\.version)) }

  /// The decision if it needs no suspension: nil when a guardrail has to be asked and no fresh answer is in memory.
  package func decideImmediately(_ request: EgressRequest) -> EgressDecision? {
    let verdict = rules.evaluate(request)
    if guardrails.isEmpty { return Self.combine(verdict, [], rules.version) }
    // A written deny stands whatever a guardrail says, so nobody is asked.
    if case .deny = verdict { return Self.combine(verdict, [], policyVersion) }
    let versions = guardrails.map(\.version)
    guard let answers = cache.answers(request, versions: versions) else { return nil }
    return Self.combine(verdict, answers, Self.version(rules, versions))
  }

  /// The decision; asks the guardrails that have to be asked.
  package func decide(_ request: EgressRequest) async -> EgressDecision {
    if let decision = decideImmediately(request) { return decision }
    let (answers, versions) = await ask(request)
    return Self.combine(rules.evaluate(request), answers, Self.version(rules, versions))
  }

  /// The decision with its steps. Runs the same evaluation and combination as ``decide(_:)``, and asks every layer
  /// even after a deny, so that a person sees all that stands in the way.
  package func explain(_ request: EgressRequest) async -> DecisionExplanation {
    let verdict = rules.evaluate(request)
    let (answers, versions) = await ask(request)
    let decision = Self.combine(verdict, answers, Self.version(rules, versions))
    var steps = [Self.step(verdict)]
    for (number, answer) in answers.enumerated() { steps.append(Self.step(answer.verdict, number: number)) }
    return DecisionExplanation(
      stage: request.stage.rawValue, allowed: decision.isAllowed, reason: decision.denial, rule: decision.rule,
      policyVersion: decision.policyVersion, explanation: decision.explanation, steps: steps)
  }

  private func ask(_ request: EgressRequest) async -> ([GuardrailAnswer], [String]) {
    var answers: [GuardrailAnswer] = []
    // Read before asking: if a guardrail changes meanwhile, the answer is stored under the old version and never found.
    let versions = guardrails.map(\.version)
    // A guardrail knows one reading of a path only; if the upstream may use another one, it is asked about both.
    var other: EgressRequest?
    if let path = request.path, let lenient = CanonicalPath.lenientReading(of: path) {
      other = request
      other?.path = lenient
    }
    for guardrail in guardrails {
      var answer = await guardrail.evaluate(request)
      if let other { answer = Self.stricter(answer, await guardrail.evaluate(other)) }
      answers.append(answer)
    }
    cache.store(request, versions: versions, answers)
    return (answers, versions)
  }

  /// One answer for two readings: denied if either is, allowed only if both are.
  private static func stricter(_ one: GuardrailAnswer, _ two: GuardrailAnswer) -> GuardrailAnswer {
    let life = min(one.validFor, two.validFor)
    if case .deny = one.verdict { return GuardrailAnswer(one.verdict, validFor: life) }
    if case .deny = two.verdict { return GuardrailAnswer(two.verdict, validFor: life) }
    guard case .allow = one.verdict, case .allow = two.verdict else { return GuardrailAnswer(.abstain, validFor: life) }
    return GuardrailAnswer(one.verdict, validFor: life)
  }

  private static func version(_ rules: CompiledRules, _ guardrails: [String]) -> String {
    guardrails.isEmpty ? rules.version : rules.version + "+" + guardrails.joined(separator: "+")
  }

  /// Passes iff no layer denies and one allows. Pure.
  static func combine(_ rules: RulesVerdict, _ answers: [GuardrailAnswer], _ version: String) -> EgressDecision {
    let life = answers.map(\.validFor).min()
    func decision(_ denial: DenialReason?, _ rule: String?, _ text: String) -> EgressDecision {
      EgressDecision(denial: denial, rule: rule, policyVersion: version, explanation: text, validFor: life)
    }
    if case .deny(let rule, let text) = rules { return decision(.policyDenied, rule, text) }
    for answer in answers {
      if case .deny(let reason, let rule, let text) = answer.verdict { return decision(reason, rule, text) }
    }
    switch rules {
    case .allow(let rule, let text): return decision(nil, rule, text)
    case .deny(let rule, let text): return decision(.policyDenied, rule, text)
    case .noMatch(let reason, let nearest, let text):
      for answer in answers {
        if case .allow(let rule, let text) = answer.verdict { return decision(nil, rule, text) }
      }
      return decision(reason, nearest, text)
    }
  }

  private static func step(_ verdict: RulesVerdict) -> DecisionExplanation.Step {
    switch verdict {
    case .allow(let rule, let text): .init(layer: "rules", verdict: "allow", rule: rule, text: text)
    case .deny(let rule, let text): .init(layer: "rules", verdict: "deny", rule: rule, text: text)
    case .noMatch(_, let nearest, let text): .init(layer: "rules", verdict: "abstain", rule: nearest, text: text)
    }
  }

  private static func step(_ verdict: LayerVerdict, number: Int) -> DecisionExplanation.Step {
    let layer = "guardrail[\(number)]"
    return switch verdict {
    case .allow(let rule, let text): .init(layer: layer, verdict: "allow", rule: rule, text: text)
    case .deny(_, let rule, let text): .init(layer: layer, verdict: "deny", rule: rule, text: text)
    case .abstain: .init(layer: layer, verdict: "abstain", rule: nil, text: "no guardrail speaks of this request")
    }
  }
}
