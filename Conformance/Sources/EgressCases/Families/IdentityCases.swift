/// Who asks is known from the network and the token, and from nothing that is said.
enum IdentityCases {
  static let all: [EgressCase] = proofs + [forged, forgedInTunnel, foreignToken, otherAgentsRules, stripped]

  private static let proofs: [EgressCase] = [
    ("none", ""), ("empty", "proxy-authorization:\r\n"), ("wrong", "proxy-authorization: Basic YTpi\r\n"),
    ("bearer", "proxy-authorization: Bearer TOKEN\r\n"), ("no-colon", "proxy-authorization: Basic YWJj\r\n"),
    ("not-base64", "proxy-authorization: Basic ****\r\n"), ("twice", "PROOFPROOF"),
    ("wrong-then-right", "proxy-authorization: Basic YTpi\r\nPROOF"),
    ("authorization-instead", "authorization: AUTH\r\n"), ("prefix", "proxy-authorization: PREFIX\r\n"),
    ("x-forwarded", "x-proxy-authorization: AUTH\r\n"),
  ].map { name, fields in
    EgressCase(.identity, "proof-\(name)", "Without the agent's token, once and whole, nothing is decided.", isSafe: true) { attack in
      let proof = attack.proof(attack.target.a)
      let text = fields.replacing("PROOF", with: "proxy-authorization: \(proof)\r\n").replacing("AUTH", with: proof)
        .replacing("TOKEN", with: attack.target.a.token)
        .replacing("PREFIX", with: "Basic " + Base64.encode(Array("\(attack.target.a.name):\(attack.target.a.token.dropLast(4))".utf8)))
      let authority = attack.authority()
      return try await attack.refusedOrClosed {
        try await attack.askProxy("CONNECT \(authority) HTTP/1.1\r\nhost: \(authority)\r\n\(text)\r\n")
      }
    }
  }

  /// Fields with which an agent would like to be somebody else.
  private static let fields = [
    "x-forwarded-for: 10.0.0.1", "x-real-ip: 10.0.0.1", "forwarded: for=10.0.0.1;host=evil.invalid", "x-agent: b", "x-palana-agent: b",
    "x-forwarded-host: evil.invalid", "x-forwarded-proto: http", "x-original-url: /admin", "x-rewrite-url: /admin", "via: 1.1 b",
    "x-client-cert: b", "x-forwarded-client-cert: By=b", "x-envoy-original-path: /admin", "x-envoy-internal: true", "x-request-id: forged",
    "true-client-ip: 10.0.0.1", "cf-connecting-ip: 10.0.0.1", "remote-user: b", "x-remote-user: b", "x-auth-request-user: b",
    "x-webauth-user: b", "x-ms-client-principal-name: b", "x-amzn-oidc-identity: b", "ssl-client-verify: SUCCESS",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b", "baggage: user=b", "b3: 0",
    "x-b3-traceid: 1",
    "uber-trace-id: 1:1:0:1", "x-cloud-trace-context: 1/1;o=1", "x-amzn-trace-id: Root=1",
  ]
  /// Those of them that must not travel on.
  private static let hidden = [
    "x-forwarded-for", "x-real-ip", "forwarded", "x-forwarded-host", "x-forwarded-proto", "x-original-url", "x-rewrite-url", "via",
    "x-forwarded-client-cert", "x-envoy-original-path", "x-envoy-internal", "proxy-authorization", "x-palana-agent", "x-client-cert",
    "x-request-id", "true-client-ip", "cf-connecting-ip", "remote-user", "x-remote-user", "x-auth-request-user", "x-webauth-user",
    "x-ms-client-principal-name", "x-amzn-oidc-identity", "ssl-client-verify", "traceparent", "tracestate", "baggage", "b3",
    "x-b3-traceid", "uber-trace-id", "x-cloud-trace-context", "x-amzn-trace-id",
  ]

  private static let forged = EgressCase(.identity, "forged-on-connect", "Fields that name somebody else change nothing.") { attack in
    let authority = attack.authority("only-for-nobody.invalid")
    let text =
      "CONNECT \(authority) HTTP/1.1\r\nhost: \(authority)\r\n" + fields.map { $0 + "\r\n" }.joined()
      + "proxy-authorization: \(attack.proof(attack.target.a))\r\n\r\n"
    return attack.refused(try await attack.askProxy(text), "host_not_allowed")
  }

  private static let forgedInTunnel = EgressCase(.identity, "forged-fields-stay", "Fields of the hop and of proxies do not travel on.") {
    attack in
    let verdict = attack.passed(try await attack.ask(attack.request(fields)))
    guard verdict == .held, let head = attack.arrived.first else { return verdict }
    let left = hidden.filter { !head.values($0).isEmpty }
    return left.isEmpty ? .held : .broken("travelled on: \(left.joined(separator: ", "))")
  }

  private static let foreignToken = EgressCase(
    .identity, "another-agents-token", "A token is worth nothing from another address.", isSafe: false
  ) { attack in
    let authority = attack.authority()
    let b = try attack.b
    let text = "CONNECT \(authority) HTTP/1.1\r\nhost: \(authority)\r\nproxy-authorization: \(attack.proof(attack.target.a))\r\n\r\n"
    let answer = try await attack.askProxy(text, agent: b)
    return attack.refused(answer, "proxy_authentication_required")
  }

  private static let otherAgentsRules = EgressCase(.identity, "another-agents-rules", "What A may reach is closed for B.") { attack in
    let b = try attack.b
    return attack.refused(try await attack.connect(attack.authority(), agent: b).answer, "host_not_allowed")
  }

  private static let stripped = EgressCase(.identity, "the-token-stays", "The proxy token reaches no upstream.") { attack in
    try attack.require(.plainHTTP)
    let verdict = attack.passed(try await attack.askProxy(attack.plain()))
    guard verdict == .held else { return verdict }
    return attack.arrived.contains { $0.head.contains(attack.target.a.token) || $0.head.contains(attack.proof(attack.target.a)) }
      ? .broken("the upstream got the token") : .held
  }
}
