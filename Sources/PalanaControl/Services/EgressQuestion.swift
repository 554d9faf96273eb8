import PalanaAPI
import PalanaControlAPI
import PalanaCore
import PalanaPolicy

/// A question about a method and a URL in the form in which the gateway would see it.
struct EgressQuestion {
  let request: EgressRequest
  /// What is decided when the tunnel is asked for; nil for plain HTTP.
  let authorityRequest: EgressRequest?

  /// - Throws: ``PalanaError`` with code `invalid` for what is no question at all.
  /// - Returns: nil for what the gateway would refuse as malformed: see ``malformed(_:)``.
  init?(_ test: EgressTestRequest, from agent: Agent) throws(PalanaError) {
    guard !test.method.isEmpty, test.method.utf8.count <= 32,
      test.method.utf8.allSatisfy({ (65...90).contains($0) || $0 == 45 })
    else { throw PalanaError(.invalid, "method: upper-case letters are needed", hint: "for example GET") }
    let target: RequestTarget
    do {
      target = try RequestTarget.parse(test.url, encodedSlashes: .kept)
    } catch {
      switch error.problem {
      case .targetForm, .targetScheme, .targetTooLong: throw PalanaError(.invalid, "url: \(error)")
      default: return nil
      }
    }
    guard case .absolute(let scheme, let authority) = target.form else {
      throw PalanaError(.invalid, "url: an absolute URL is needed", hint: "for example https://api.github.com/repos")
    }
    let subject = PolicySubject(
      id: try agent.id(), name: agent.metadata.name, owner: try agent.requireOwner(),
      template: agent.spec.effectiveTemplateName, labels: agent.metadata.labels ?? [:])
    var git: GitOperation?
    do {
      git = try GitEndpoint.operation(method: test.method, path: target.path.description, query: target.query)
    } catch { return nil }
    if let refs = test.refs {
      guard git?.service == .push, git?.isDiscovery == false else {
        throw PalanaError(.invalid, "refs: the request is no push", hint: "POST …/git-receive-pack is one")
      }
      git?.refs = refs
    }
    request = EgressRequest(
      subject: subject, stage: .request, scheme: scheme, authority: authority, method: test.method,
      path: target.path.description, git: git)
    authorityRequest =
      scheme == .https
      ? EgressRequest(subject: subject, stage: .authority, scheme: scheme, authority: authority) : nil
  }

  /// The answer to a URL that has no canonical form, which the gateway refuses before any rule is asked.
  static func malformed(_ test: EgressTestRequest) -> EgressTestResult {
    let explanation = problem(test)
    let authority = Self.authority(of: test.url)
    return EgressTestResult(
      allowed: false, reason: DenialReason.malformedRequest.rawValue, rule: nil, policyVersion: "", explanation: explanation,
      stage: EgressRequest.Stage.request.rawValue, host: authority?.host.description ?? "", port: authority.map { Int($0.port) } ?? 0,
      steps: [.init(layer: "preflight", verdict: "deny", rule: nil, explanation: explanation)])
  }

  private static func problem(_ test: EgressTestRequest) -> String {
    let target: RequestTarget
    do { target = try RequestTarget.parse(test.url, encodedSlashes: .kept) } catch { return error.description }
    do {
      _ = try GitEndpoint.operation(method: test.method, path: target.path.description, query: target.query)
    } catch { return error.explanation }
    return ""
  }

  /// The authority of a URL whose rest may be malformed; nil when it is malformed itself.
  private static func authority(of url: String) -> Authority? {
    let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count >= 3, let root = try? RequestTarget.parse("\(parts[0])//\(parts[2])/"),
      case .absolute(_, let authority) = root.form
    else { return nil }
    return authority
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
