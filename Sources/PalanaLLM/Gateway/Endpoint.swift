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

  /// What is spoken at the route with this path; nil: nothing. Both dialects of chat are answered by every route: what its upstreams do not
  /// speak is translated.
  ///
  /// - Parameter path: below the name of the route, with its query.
  init?(_ path: Substring, method: String, style: RouteStyle) {
    self.path = String(path)
    guard style != .passThrough else {
      purpose = .anything
      return
    }
    let plain = path.prefix { $0 != "?" }
    switch (method, plain) {
    case ("POST", "/v1/chat/completions"): purpose = .call(.openAIChat)
    case ("POST", "/v1/responses"): purpose = .call(.openAIResponses)
    case ("POST", "/v1/embeddings"): purpose = .call(.openAIEmbeddings)
    case ("POST", "/v1/messages"): purpose = .call(.anthropicMessages)
    case ("POST", "/v1/messages/count_tokens"): purpose = .countTokens
    case ("GET", "/v1/models"): purpose = .models
    default: return nil
    }
  }
}

extension RouteStyle {
  /// In which dialect an upstream of this style gets a call.
  ///
  /// - Returns: nil when it cannot be said to it.
  func spoken(for dialect: Dialect) -> Dialect? {
    switch (self, dialect) {
    case (.passThrough, _): dialect
    case (.openAI, .anthropicMessages): .openAIChat
    case (.openAI, _): dialect
    case (.anthropic, .openAIChat), (.anthropic, .anthropicMessages): .anthropicMessages
    case (.anthropic, .openAIResponses), (.anthropic, .openAIEmbeddings): nil
    }
  }

  /// Whether an upstream of this style can answer.
  func answers(_ purpose: Endpoint.Purpose, _ agent: RouteStyle) -> Bool {
    switch purpose {
    case .call(let dialect): spoken(for: dialect) != nil
    case .countTokens: self == .anthropic
    // A list of models is not translated.
    case .models: self == agent || self == .passThrough
    case .anything: true
    }
  }
}

extension Dialect {
  /// Where calls are posted.
  var path: String {
    switch self {
    case .openAIChat: "/v1/chat/completions"
    case .openAIResponses: "/v1/responses"
    case .openAIEmbeddings: "/v1/embeddings"
    case .anthropicMessages: "/v1/messages"
    }
  }
}

extension LLMUpstream {
  /// Where a request for this path goes. A base that ends in `/v1` has it already.
  func url(for path: String) -> String {
    url.hasSuffix("/v1") && path.hasPrefix("/v1/") ? url + path.dropFirst(3) : url + path
  }
}
