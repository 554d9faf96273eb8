import PalanaAPI
import PalanaCore
import Synchronization
import Testing

@testable import PalanaPolicy

/// A guardrail that says what it is told to, and counts.
private final class ScriptedGuardrail: Guardrail {
  struct Script {
    var version = "g1"
    var answer = GuardrailAnswer(.abstain, validFor: .zero)
    var asked = 0
  }

  let script: Mutex<Script>

  init(_ verdict: LayerVerdict = .abstain, validFor: Duration = .zero, version: String = "g1") {
    script = Mutex(Script(version: version, answer: GuardrailAnswer(verdict, validFor: validFor)))
  }

  var version: String { script.withLock { $0.version } }
  var asked: Int { script.withLock { $0.asked } }

  func evaluate(_ request: EgressRequest) async -> GuardrailAnswer {
    script.withLock {
      $0.asked += 1
      return $0.answer
    }
  }
}

private final class ManualClock: Sendable {
  private let time = Mutex<Duration>(.zero)
  func advance(_ by: Duration) { time.withLock { $0 += by } }
  var clock: MonotonicClock { MonotonicClock { self.time.withLock { $0 } } }
}

private let yes = LayerVerdict.allow(rule: "guardrail/g", explanation: "fine")
private let no = LayerVerdict.deny(.policyDenied, rule: "guardrail/g", explanation: "not fine")
private let down = LayerVerdict.deny(.policyUnavailable, rule: "guardrail/g", explanation: "down")

@Suite struct DecisionCoreTests {
  private func rules() throws -> CompiledRules {
    try CompiledRules([
      RuleSource(
        name: "agent",
        rules: [EgressRule(id: "allow", host: "allow.test"), EgressRule(id: "deny", action: .deny, host: "deny.test")])
    ])
  }

  /// Passes iff no layer denies and one allows.
  @Test(
    arguments: [
      ("allow.test", [], nil), ("allow.test", [.abstain], nil), ("allow.test", [yes], nil),
      ("allow.test", [no], .policyDenied),
      ("allow.test", [yes, no], .policyDenied), ("allow.test", [.abstain, down], .policyUnavailable),
      ("deny.test", [], .policyDenied),
      ("deny.test", [yes], .policyDenied), ("deny.test", [down], .policyDenied), ("other.test", [], .hostNotAllowed),
      ("other.test", [.abstain], .hostNotAllowed), ("other.test", [yes], nil), ("other.test", [.abstain, yes], nil),
      ("other.test", [yes, no], .policyDenied), ("other.test", [no], .policyDenied),
    ] as [(String, [LayerVerdict], DenialReason?)])
  func combination(host: String, verdicts: [LayerVerdict], denial: DenialReason?) async throws {
    for life in [Duration.zero, .seconds(60)] {
      let core = DecisionCore(rules: try rules(), guardrails: verdicts.map { ScriptedGuardrail($0, validFor: life) })
      let question = try request("GET", host)
      let decision = await core.decide(question)
      #expect(decision.denial == denial)
      #expect(!decision.explanation.isEmpty)
      // The explanation and the answer from memory are the same decision.
      let explained = await core.explain(question)
      #expect(explained.allowed == decision.isAllowed)
      #expect(explained.reason == decision.denial)
      #expect(explained.rule == decision.rule)
      #expect(explained.policyVersion == decision.policyVersion)
      #expect(explained.explanation == decision.explanation)
      #expect(explained.steps.count == verdicts.count + 1)
      if let immediate = core.decideImmediately(question) {
        #expect(immediate.denial == decision.denial)
        #expect(immediate.rule == decision.rule)
        #expect(immediate.policyVersion == decision.policyVersion)
      }
    }
  }

  @Test func rulesAloneNeedNoSuspension() throws {
    let core = DecisionCore(rules: try rules())
    #expect(core.decideImmediately(try request("GET", "allow.test"))?.isAllowed == true)
    #expect(core.decideImmediately(try request("GET", "allow.test"))?.validFor == nil)
    #expect(core.decideImmediately(try request("GET", "other.test"))?.denial == .hostNotAllowed)
  }

  @Test func aWrittenDenyAsksNobody() async throws {
    let guardrail = ScriptedGuardrail(yes)
    let core = DecisionCore(rules: try rules(), guardrails: [guardrail])
    #expect(core.decideImmediately(try request("GET", "deny.test"))?.denial == .policyDenied)
    _ = await core.decide(try request("GET", "deny.test"))
    #expect(guardrail.asked == 0)
  }

  @Test func answersAreRememberedForTheirLifeOnly() async throws {
    let time = ManualClock()
    let guardrail = ScriptedGuardrail(.abstain, validFor: .seconds(10))
    let core = DecisionCore(rules: try rules(), guardrails: [guardrail], cache: GuardrailCache(clock: time.clock))
    let question = try request("GET", "allow.test", "/a")
    #expect(core.decideImmediately(question) == nil)
    _ = await core.decide(question)
    time.advance(.seconds(9))
    #expect(core.decideImmediately(question)?.isAllowed == true)
    #expect(core.decideImmediately(question)?.validFor == .seconds(1), "what is left, so that no copy lives longer")
    // Another path, method, port, agent, stage is another question.
    var others = try [
      request("GET", "allow.test", "/b"), request("POST", "allow.test", "/a"), request("GET", "allow.test:80", "/a"),
      request(nil, "allow.test"),
    ]
    var labelled = question
    labelled.subject.labels = ["team": "other"]
    others.append(labelled)
    for other in others { #expect(core.decideImmediately(other) == nil) }
    time.advance(.seconds(1))
    #expect(core.decideImmediately(question) == nil)
    #expect(guardrail.asked == 1)
  }

  @Test func answersWithoutLifeAreNotRemembered() async throws {
    let guardrail = ScriptedGuardrail(.abstain, validFor: .zero)
    let core = DecisionCore(rules: try rules(), guardrails: [guardrail, ScriptedGuardrail(validFor: .seconds(60))])
    for _ in 0..<3 { _ = await core.decide(try request("GET", "allow.test")) }
    #expect(guardrail.asked == 3)
  }

  @Test func aNewVersionForgets() async throws {
    let guardrail = ScriptedGuardrail(.abstain, validFor: .seconds(60))
    let core = DecisionCore(rules: try rules(), guardrails: [guardrail])
    let question = try request("GET", "allow.test")
    let before = await core.decide(question)
    guardrail.script.withLock {
      $0.version = "g2"
      $0.answer = GuardrailAnswer(no, validFor: .seconds(60))
    }
    #expect(core.decideImmediately(question) == nil)
    let after = await core.decide(question)
    #expect(after.denial == .policyDenied)
    #expect(after.policyVersion != before.policyVersion)
    #expect(core.policyVersion == after.policyVersion)
  }

  @Test func theCacheIsBounded() async throws {
    let cache = GuardrailCache(limit: 8)
    let core = DecisionCore(rules: try rules(), guardrails: [ScriptedGuardrail(validFor: .seconds(60))], cache: cache)
    for number in 0..<100 {
      _ = await core.decide(try request("GET", "allow.test", "/\(number)"))
      #expect(cache.count <= 8)
    }
    #expect(core.decideImmediately(try request("GET", "allow.test", "/99")) != nil)
  }
}
