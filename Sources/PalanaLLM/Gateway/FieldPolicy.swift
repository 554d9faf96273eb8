import NIOHTTP1

/// Which header fields pass the gateway. What an agent says of who it is does not, nor does any credential of its own.
enum FieldPolicy {
  /// Of requests: what says how the body is to be understood, and nothing else.
  private static let request: Set<String> = [
    "accept", "accept-language", "anthropic-beta", "anthropic-version", "content-type", "idempotency-key", "openai-beta", "user-agent",
  ]

  /// Of answers: not of one connection (RFC 9110 §7.6.1), nothing that is kept for the next request, nothing that says whose account it is.
  private static let withheld: Set<String> = [
    "alt-svc", "anthropic-organization-id", "connection", "keep-alive", "openai-organization", "openai-project", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "server", "set-cookie", "strict-transport-security", "te", "trailer", "transfer-encoding",
    "upgrade", "www-authenticate", "via",
  ]

  /// What only one of the dialects knows, by how its names begin.
  private static let own: [(prefix: String, style: RouteStyle)] = [("anthropic-", .anthropic), ("openai-", .openAI)]

  /// The fields of a request that goes out, but for the credential.
  static func outgoing(_ fields: HTTPHeaders, to style: RouteStyle) -> HTTPHeaders {
    var passed = HTTPHeaders()
    for (name, value) in fields {
      let lower = name.lowercased()
      guard request.contains(lower),
        style == .passThrough || own.allSatisfy({ !lower.hasPrefix($0.prefix) || $0.style == style })
      else { continue }
      passed.add(name: name, value: value)
    }
    if style == .anthropic, !passed.contains(name: "anthropic-version") { passed.add(name: "anthropic-version", value: "2023-06-01") }
    // What comes back is read on its way.
    passed.replaceOrAdd(name: "accept-encoding", value: "identity")
    return passed
  }

  /// The fields of an answer that go to the agent.
  ///
  /// - Parameter keepsLength: whether the body is passed on byte for byte.
  static func incoming(_ fields: HTTPHeaders, keepsLength: Bool) -> HTTPHeaders {
    let named = Set(fields[canonicalForm: "connection"].map { $0.lowercased() })
    var passed = HTTPHeaders()
    for (name, value) in fields {
      let lower = name.lowercased()
      guard !withheld.contains(lower), !named.contains(lower), keepsLength || lower != "content-length" else { continue }
      passed.add(name: name, value: value)
    }
    return passed
  }
}
