package import PalanaAPI
package import PalanaControlAPI
package import PalanaCore

/// What the control API asks the gateway of language models and its ledger.
package struct LLMProbe: Sendable {
  /// A secret that a route of the configuration names.
  package struct Credential: Hashable, Sendable {
    package var route: String
    package var secret: String
    package var key: String
    package var scope: LLMCredentialItem.Scope
    /// Name of the upstream that gets it.
    package var upstream: String

    package init(route: String, secret: String, key: String, scope: LLMCredentialItem.Scope, upstream: String) {
      self.route = route
      self.secret = secret
      self.key = key
      self.scope = scope
      self.upstream = upstream
    }
  }

  /// One limit of a budget against which somebody has counted. Amounts in tokens, nano-dollars, requests or calls at once.
  package struct Figures: Hashable, Sendable {
    package var budget: String
    /// An agent's identifier, an owner's raw identity, a template; empty: of all together that the budget counts.
    package var group: String
    package var measure: LLMBudgetMeasure
    package var window: LLMWindow?
    package var limit: Int64
    package var used: Int64
    package var reserved: Int64
    package var resetsAt: Timestamp?

    package init(
      budget: String, group: String, measure: LLMBudgetMeasure, window: LLMWindow?, limit: Int64, used: Int64, reserved: Int64,
      resetsAt: Timestamp?
    ) {
      self.budget = budget
      self.group = group
      self.measure = measure
      self.window = window
      self.limit = limit
      self.used = used
      self.reserved = reserved
      self.resetsAt = resetsAt
    }
  }

  /// What was said, where routes keep it.
  package struct Content: Sendable {
    package var list: @Sendable (LLMContentQuery) async throws(PalanaError) -> LLMContentList
    package var record: @Sendable (_ id: String) async throws(PalanaError) -> LLMContent

    package init(
      list: @escaping @Sendable (LLMContentQuery) async throws(PalanaError) -> LLMContentList,
      record: @escaping @Sendable (_ id: String) async throws(PalanaError) -> LLMContent
    ) {
      self.list = list
      self.record = record
    }
  }

  /// Names of the routes, sorted.
  package var routes: [String]
  package var credentials: [Credential]
  /// Whose agent, in the store of secrets, a route is.
  package var owner: UserIdentity
  package var usage: @Sendable (LLMUsageQuery) async throws(PalanaError) -> [LLMUsageRow]
  /// The newest calls, newest first.
  package var calls: @Sendable (_ owner: UserIdentity?, _ agent: String?, _ limit: Int) async throws(PalanaError) -> [LLMCallRow]
  package var content: Content
  package var figures: @Sendable () -> [Figures]
  package var metrics: @Sendable () async -> [MetricFamily]

  package init(
    routes: [String], credentials: [Credential], owner: UserIdentity,
    usage: @escaping @Sendable (LLMUsageQuery) async throws(PalanaError) -> [LLMUsageRow],
    calls: @escaping @Sendable (_ owner: UserIdentity?, _ agent: String?, _ limit: Int) async throws(PalanaError) -> [LLMCallRow],
    content: Content, figures: @escaping @Sendable () -> [Figures], metrics: @escaping @Sendable () async -> [MetricFamily]
  ) {
    self.routes = routes
    self.credentials = credentials
    self.owner = owner
    self.usage = usage
    self.calls = calls
    self.content = content
    self.figures = figures
    self.metrics = metrics
  }
}
