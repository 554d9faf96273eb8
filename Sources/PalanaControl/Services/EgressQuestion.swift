import PalanaAPI
import PalanaControlAPI
import PalanaCore
import PalanaPolicy

/// A question about a method and a URL in the form in which the gateway would see it.
struct EgressQuestion {
  let request: EgressRequest
  /// What is decided when the tunnel is asked for; nil for plain HTTP.
  let authorityRequest: EgressRequest?

  /// - Throws: ``PalanaError`` with code `invalid` for what the gateway would refuse as malformed.
  init(_ test: EgressTestRequest, from agent: Agent) throws(PalanaError) {
    guard !test.method.isEmpty, test.method.utf8.count <= 32,
      test.method.utf8.allSatisfy({ (65...90).contains($0) || $0 == 45 })
    else { throw PalanaError(.invalid, "method: upper-case letters are needed", hint: "for example GET") }
    let target: RequestTarget
    do { target = try RequestTarget.parse(test.url) } catch { throw PalanaError(.invalid, "url: \(error)") }
    guard case .absolute(let scheme, let authority) = target.form else {
      throw PalanaError(.invalid, "url: an absolute URL is needed", hint: "for example https://api.github.com/repos")
    }
    let subject = PolicySubject(
      id: try agent.id(), name: agent.metadata.name, owner: try agent.requireOwner(),
      template: agent.spec.effectiveTemplateName, labels: agent.metadata.labels ?? [:])
    request = EgressRequest(
      subject: subject, stage: .request, scheme: scheme, authority: authority, method: test.method,
      path: target.path.description)
    authorityRequest =
      scheme == .https
      ? EgressRequest(subject: subject, stage: .authority, scheme: scheme, authority: authority) : nil
  }

  func result(_ explanation: DecisionExplanation) -> EgressTestResult {
    EgressTestResult(
      allowed: explanation.allowed, reason: explanation.reason?.rawValue, rule: explanation.rule,
      policyVersion: explanation.policyVersion, explanation: explanation.explanation, stage: explanation.stage,
      host: request.authority.host.description, port: Int(request.authority.port),
      steps: explanation.steps.map {
        .init(layer: $0.layer, verdict: $0.verdict, rule: $0.rule, explanation: $0.text)
      })
  }

  /// The answer for an agent that an order keeps cut off.
  func killed(by order: KillOrder) -> EgressTestResult {
    EgressTestResult(
      allowed: false, reason: DenialReason.agentKilled.rawValue, rule: nil, policyVersion: "",
      explanation: "the agent is killed by order \(order.metadata.name): \(order.spec.reason)",
      stage: EgressRequest.Stage.authority.rawValue, host: request.authority.host.description,
      port: Int(request.authority.port), steps: [])
  }
}
