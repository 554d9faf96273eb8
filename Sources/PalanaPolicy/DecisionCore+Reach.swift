extension DecisionCore {
  /// The most ways to a host that are asked about.
  private static let mostEndpoints = 16

  /// The questions whether an agent may reach a host at all: one at the authority stage for each way that its rules name, then the usual
  /// ones, which a guardrail may allow without a rule. The host may be reached iff one of them is allowed.
  package func questions(whether subject: PolicySubject, mayReach host: CanonicalHost) -> [EgressRequest] {
    var endpoints = rules.endpoints(of: host, most: Self.mostEndpoints)
    for usual in [Endpoint(port: 443, scheme: .https), Endpoint(port: 80, scheme: .http)] where !endpoints.contains(usual) {
      endpoints.append(usual)
    }
    return endpoints.map {
      EgressRequest(
        subject: subject, stage: .authority, scheme: $0.scheme, authority: Authority(host: host, port: $0.port))
    }
  }
}

/// A way to a host.
struct Endpoint: Hashable, Sendable {
  var port: UInt16
  var scheme: EgressRequest.Scheme
}
