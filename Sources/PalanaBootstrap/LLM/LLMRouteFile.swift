import PalanaCore
import PalanaLLM
import PalanaSecrets

/// A route of the LLM gateway as it is written, below `llm.routes.NAME`.
package struct LLMRouteFile: Codable, Hashable, Sendable {
  struct Upstream: Codable, Hashable, Sendable {
    var url: String
    var name: String?
    var style: RouteStyle?
    var weight: Int?
    var credential: Credential?
  }

  /// Which secret the gateway proves itself with.
  struct Credential: Codable, Hashable, Sendable {
    enum Scope: String, Codable, CaseIterable, Sendable {
      /// Each agent's own, of this name.
      case agent
      /// The route's, the same for all agents.
      case route
    }

    var field: LLMCredential.Field?
    var scope: Scope?
    /// Name of the secret.
    var secret: String
    var key: String?

    static let usualKey = "value"
  }

  /// One upstream, in short.
  var upstream: String?
  var upstreams: [Upstream]?
  var style: RouteStyle?
  var credential: Credential?
  var models: [String]?
  var aliases: [String: String]?
  var maxInput: Int?
  var maxOutput: Int?
  var maxBody: ByteQuantity?
  var contentLog: Bool?
  var retries: Int?
  var retryUncertain: Bool?
  var firstByteTimeout: String?
  var idleTimeout: String?
  var timeout: String?
}

extension LLMRouteFile {
  /// Secrets of routes stand where those of this agent of nobody would: no person can be called so.
  static let owner = "palana:llm"

  /// - Throws: ``PalanaError`` with code `invalid` that names the key.
  func route(_ name: String) throws(PalanaError) -> LLMRoute {
    func wrong(_ key: String, _ why: String) -> PalanaError { PalanaError(.invalid, "llm.routes.\(name).\(key): \(why)") }
    let isName =
      (1...63).contains(name.utf8.count)
      && name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") }
    guard isName else {
      throw PalanaError(
        .invalid, "llm.routes: ‘\(name.prefix(80))’ is not the name of a route", hint: "lower-case letters, digits and dashes")
    }
    let style = style ?? .openAI
    var written = upstreams ?? []
    switch (upstream, upstreams) {
    case (let url?, nil): written = [Upstream(url: url)]
    case (nil, let several?) where !several.isEmpty: break
    default: throw wrong("upstream", "exactly one of upstream (a URL) and upstreams (a list) is needed")
    }
    var upstreams: [LLMUpstream] = []
    for (index, one) in written.enumerated() {
      let place = self.upstream == nil ? "upstreams[\(index)]" : "upstream"
      guard let url = Self.base(one.url) else {
        throw wrong(place, "‘\(one.url.prefix(80))’ is not http[s]://HOST[:PORT][/PATH] without a user, a query or a fragment")
      }
      let spoken = one.style ?? style
      guard (spoken == .passThrough) == (style == .passThrough) else { throw wrong(place, "pass-through goes with pass-through only") }
      guard (0...1_000).contains(one.weight ?? 1) else { throw wrong(place + ".weight", "0 to 1000") }
      let credential = try (one.credential ?? self.credential).map { credential throws(PalanaError) in
        try credential.made(route: name, spoken) { wrong(place + ".credential", $0) }
      }
      upstreams.append(
        LLMUpstream(
          name: one.name ?? String(url.drop { $0 != "/" }.dropFirst(2)), url: url, style: spoken, weight: one.weight ?? 1,
          credential: credential))
    }
    var route = LLMRoute(name: name, style: style, upstreams: upstreams)
    for model in (models ?? []) + (aliases ?? [:]).flatMap({ [$0.key, $0.value] }) where model.isEmpty || model.utf8.count > 256 {
      throw wrong("models", "names have 1 to 256 bytes")
    }
    route.models = ModelRules(allowed: models ?? [], aliases: aliases ?? [:])
    route.retriesUncertain = retryUncertain ?? false
    if let maxOutput {
      guard (1...10_000_000).contains(maxOutput) else { throw wrong("maxOutput", "1 to 10000000 tokens") }
      route.maxOutput = maxOutput
    }
    if let maxInput {
      guard (1...10_000_000).contains(maxInput) else { throw wrong("maxInput", "1 to 10000000 tokens") }
      route.maxInput = maxInput
    }
    if let maxBody {
      let most = LLMLimits().requestBytes
      guard let bytes = Int(exactly: maxBody.bytes), (1...most).contains(bytes) else { throw wrong("maxBody", "1 byte to 16Mi") }
      route.maxBody = bytes
    }
    route.keepsContent = contentLog ?? false
    if let retries {
      guard (0...10).contains(retries) else { throw wrong("retries", "0 to 10") }
      route.retries = retries
    }
    for (key, text, path) in [
      ("firstByteTimeout", firstByteTimeout, \LLMRoute.firstByteTimeout), ("idleTimeout", idleTimeout, \LLMRoute.idleTimeout),
      ("timeout", timeout, \LLMRoute.timeout),
    ] {
      guard let text else { continue }
      let span: TimeSpan
      do throws(PalanaError) { span = try TimeSpan(text) } catch { throw wrong(key, error.message) }
      guard (.seconds(1)...Duration.seconds(86_400)).contains(span.duration) else { throw wrong(key, "1s to 24h") }
      route[keyPath: path] = span.duration
    }
    return route
  }

  /// The URL without slashes at its end; nil for what is none, or would carry a secret in it.
  private static func base(_ text: String) -> String? {
    guard text.hasPrefix("http://") || text.hasPrefix("https://"), text.utf8.count <= 1_024,
      text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), !text.contains(where: { "@?#\\".contains($0) })
    else { return nil }
    var url = text[...]
    while url.hasSuffix("/") { url.removeLast() }
    let host = url.drop { $0 != "/" }.drop { $0 == "/" }.prefix { $0 != "/" }
    return host.isEmpty ? nil : String(url)
  }
}

extension LLMRouteFile.Credential {
  func made(route: String, _ style: RouteStyle, _ wrong: (String) -> PalanaError) throws(PalanaError) -> LLMCredential {
    let isName =
      !secret.isEmpty && secret.utf8.count <= 64
      && secret.utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == UInt8(ascii: "_")
      }
    guard isName, secret.utf8.first.map({ !(48...57).contains($0) }) ?? false else {
      throw wrong("‘\(secret.prefix(80))’ is not the name of a secret")
    }
    let (secret, key) = (secret, key ?? Self.usualKey)
    let field = field ?? (style == .anthropic ? .apiKey : .bearer)
    switch scope ?? .agent {
    case .agent:
      return LLMCredential(field: field, isEachAgents: true) { agent in
        SecretRef(path: SecretPath(area: .proxySecrets, owner: agent.owner, agent: agent.name, secret: secret), key: key)
      }
    case .route:
      let (owner, name) = (try UserIdentity(LLMRouteFile.owner), try ResourceName(route))
      return LLMCredential(field: field, isEachAgents: false) { _ in
        SecretRef(path: SecretPath(area: .proxySecrets, owner: owner, agent: name, secret: secret), key: key)
      }
    }
  }
}
