/// What a request is about, by its path below a route.
struct Endpoint: Hashable, Sendable {
  enum Purpose: Hashable, Sendable {
    /// A call of a model, which is counted.
    case call(Dialect)
    /// The list of models.
    case models
    /// Anthropic's count of the tokens of a request, which costs nothing.
    case countTokens
    /// Whatever it is, on a route that does not look.
    case anything
  }

  var purpose: Purpose
  /// Below the route, with its query: `/v1/chat/completions`.
  var path: String

  /// What is spoken at the route with this path; nil: nothing.
  ///
  /// - Parameter path: below the name of the route, with its query.
  init?(_ path: Substring, method: String, style: RouteStyle) {
    self.path = String(path)
    guard style != .passThrough else {
      purpose = .anything
      return
    }
    let plain = path.prefix { $0 != "?" }
    switch (method, plain, style) {
    case ("POST", "/v1/chat/completions", .openAI): purpose = .call(.openAIChat)
    case ("POST", "/v1/responses", .openAI): purpose = .call(.openAIResponses)
    case ("POST", "/v1/embeddings", .openAI): purpose = .call(.openAIEmbeddings)
    case ("POST", "/v1/messages", .anthropic): purpose = .call(.anthropicMessages)
    case ("POST", "/v1/messages/count_tokens", .anthropic): purpose = .countTokens
    case ("GET", "/v1/models", _): purpose = .models
    default: return nil
    }
  }
}

extension LLMUpstream {
  /// Where a request for this path goes. A base that ends in `/v1` has it already.
  func url(for path: String) -> String {
    url.hasSuffix("/v1") && path.hasPrefix("/v1/") ? url + path.dropFirst(3) : url + path
  }
}
