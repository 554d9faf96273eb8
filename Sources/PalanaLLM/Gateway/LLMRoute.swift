import PalanaCore
package import PalanaSecrets

/// What a route speaks with agents.
package enum RouteStyle: String, Codable, Sendable, CaseIterable {
  case openAI = "openai"
  case anthropic
  /// Nothing is read of requests and answers: they are counted, not understood.
  case passThrough = "pass-through"
}

/// A path at the gateway, `/NAME/…`, and where it leads.
package struct LLMRoute: Sendable {
  /// The first segment of the path: lower-case letters, digits and dashes.
  package var name: String
  package var style: RouteStyle
  package var upstreams: [LLMUpstream]
  package var models = ModelRules()
  /// How often a request is sent again, to the same upstream or to another one.
  package var retries = 2
  /// Whether a request is also sent again when it may have been worked on, and paid for: after 408, 500, 502, 504 and broken connections.
  package var retriesUncertain = false
  /// How many tokens an answer may have at most; lowers what agents ask for.
  package var maxOutput = 32_768
  /// How many tokens a request may have at most, by our own estimate; nil: as many as the model takes.
  package var maxInput: Int?
  /// Of the body of a request; nil: the gateway's own bound.
  package var maxBody: Int?
  /// Whether what is asked and answered is kept in the content log.
  package var keepsContent = false
  /// From the request to the head of the answer, for one attempt.
  package var firstByteTimeout = Duration.seconds(120)
  /// Between two pieces of an answer.
  package var idleTimeout = Duration.seconds(120)
  /// From the request to the end of the answer, all attempts together.
  package var timeout = Duration.seconds(1_800)

  package init(name: String, style: RouteStyle, upstreams: [LLMUpstream]) {
    self.name = name
    self.style = style
    self.upstreams = upstreams
  }
}

/// A server that has models: a provider, LiteLLM, or one of our own.
package struct LLMUpstream: Sendable {
  /// As it is shown: `HOST:PORT` unless it was named.
  package var name: String
  /// `http[s]://HOST[:PORT][/PATH]`, without a slash at its end.
  package var url: String
  /// What it speaks; a route of another style is translated.
  package var style: RouteStyle
  /// Its part of the requests, among those that work; 0: only when no other does.
  package var weight: Int
  /// Nil: it wants none.
  package var credential: LLMCredential?

  package init(name: String, url: String, style: RouteStyle, weight: Int = 1, credential: LLMCredential? = nil) {
    self.name = name
    self.url = url
    self.style = style
    self.weight = weight
    self.credential = credential
  }
}

/// With what the gateway proves itself at an upstream.
package struct LLMCredential: Sendable {
  /// Where it stands.
  package enum Field: String, Codable, Sendable, CaseIterable {
    /// `authorization: Bearer VALUE`
    case bearer
    /// `x-api-key: VALUE`
    case apiKey = "x-api-key"
    /// `api-key: VALUE`, as Azure has it.
    case azure = "api-key"
  }

  package var field: Field
  /// Whether each agent has one of its own: then what an upstream says of it is nothing to the others.
  package var isEachAgents: Bool
  /// The value for this agent.
  package var secret: @Sendable (LLMAgent) -> SecretRef

  package init(field: Field, isEachAgents: Bool, secret: @escaping @Sendable (LLMAgent) -> SecretRef) {
    self.field = field
    self.isEachAgents = isEachAgents
    self.secret = secret
  }
}

/// Which models agents may name on a route, and what they are called at its upstreams.
package struct ModelRules: Sendable, Hashable {
  /// Names, or beginnings of names with a `*` at their end. Empty: every model.
  package var allowed: [String] = []
  /// From what agents say to what upstreams know.
  package var aliases: [String: String] = [:]

  package init(allowed: [String] = [], aliases: [String: String] = [:]) {
    self.allowed = allowed
    self.aliases = aliases
  }

  /// Whether an agent may name this model. An alias is allowed by its being there.
  package func allows(_ model: String) -> Bool {
    allowed.isEmpty || aliases[model] != nil
      || allowed.contains { $0.hasSuffix("*") ? model.utf8.starts(with: $0.utf8.dropLast()) : $0 == model }
  }

  /// What the model is called at the upstreams.
  package func name(of model: String) -> String { aliases[model] ?? model }
}
