import FoundationEssentials
import PalanaPolicy
import Testing

@testable import PalanaOPA

@Suite struct GuardrailOutputTests {
  private func read(_ json: String) throws -> GuardrailOutput {
    try GuardrailOutput(try JSONDecoder().decode(OPAValue.self, from: Data(json.utf8)))
  }

  @Test(arguments: [
    ("{}", LayerVerdict.abstain),
    (#"{"deny":[]}"#, .abstain),
    (#"{"deny":false,"allow":false}"#, .abstain),
    (
      #"{"allow":true,"other":{"x":1}}"#,
      .allow(rule: "guardrail/palana.egress", explanation: "the guardrail palana.egress allows it")
    ),
    (#"{"allow":true,"deny":["no"]}"#, .deny(.policyDenied, rule: "guardrail/palana.egress", explanation: "no")),
    (#"{"deny":true}"#, .deny(.policyDenied, rule: "guardrail/palana.egress", explanation: "a guardrail denies it")),
    (
      #"{"deny":[{"reason":"no","rule":"r1","extra":1},"also"]}"#,
      .deny(.policyDenied, rule: "guardrail/palana.egress/r1", explanation: "no; also")
    ),
    (#"{"deny":["a\nb\u001b[31m"]}"#, .deny(.policyDenied, rule: "guardrail/palana.egress", explanation: "a b [31m")),
  ])
  func verdicts(json: String, verdict: LayerVerdict) throws {
    #expect(try read(json).verdict == verdict)
  }

  @Test(arguments: [
    #"{"deny":"text"}"#, #"{"deny":{"a":1}}"#, #"{"deny":[1]}"#, #"{"deny":[{"why":"x"}]}"#,
    #"{"deny":[{"reason":"x","rule":1}]}"#,
    #"{"deny":null}"#, #"{"allow":"true"}"#, #"{"allow":1}"#, #"{"allow":null}"#, #"{"ttl_seconds":-1}"#,
    #"{"ttl_seconds":"5"}"#, "[]", "true", "null",
  ])
  func otherShapesAreErrors(json: String) {
    #expect(throws: GuardrailOutput.Malformed.self) { try read(json) }
  }

  @Test func undefinedAbstains() throws {
    #expect(try GuardrailOutput(nil).verdict == .abstain)
  }

  @Test(arguments: [("0", Duration.zero), ("0.5", .milliseconds(500)), ("30", .seconds(30)), ("1e300", .seconds(3600))])
  func lives(seconds: String, life: Duration) throws {
    #expect(try read(#"{"ttl_seconds":\#(seconds)}"#).life == life)
  }
}
