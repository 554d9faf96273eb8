import PalanaAPI
import PalanaControl
import PalanaControlAPI
import PalanaCore
import PalanaLLM

extension LLMPart {
  /// What the control API asks.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  func probe(_ routes: [String: LLMRouteFile]) throws(PalanaError) -> LLMProbe {
    var credentials: [LLMProbe.Credential] = []
    for (name, file) in routes.sorted(by: { $0.key < $1.key }) { credentials += try file.credentials(of: name) }
    let (ledger, gateway, content) = (ledger, gateway, content)
    return LLMProbe(
      routes: routes.keys.sorted(), credentials: credentials, owner: try UserIdentity(LLMRouteFile.owner),
      usage: { query async throws(PalanaError) in try await ledger.usage(query) },
      calls: { owner, agent, limit async throws(PalanaError) in try await ledger.newestCalls(owner: owner, agent: agent, limit: limit) },
      content: LLMProbe.Content(
        list: { query async throws(PalanaError) in
          let found = try await content.list(
            ContentQuery(agent: query.agent, model: query.model, since: query.since, limit: query.limit))
          return LLMContentList(items: found.cards.map { LLMContentItem($0) }, damaged: found.damages)
        },
        record: { id async throws(PalanaError) in
          let record = try await content.record(id)
          return LLMContent(
            call: LLMContentItem(record.card),
            request: LLMContentBody(record.requestBody, isTruncated: record.card.isRequestTruncated),
            answer: LLMContentBody(record.answerBody, isTruncated: record.card.isAnswerTruncated))
        }),
      figures: { ledger.figures().map { LLMProbe.Figures($0) } }, metrics: { await gateway.metrics() })
  }
}

extension LLMRouteFile {
  /// Which secrets the upstreams of the route get.
  fileprivate func credentials(of name: String) throws(PalanaError) -> [LLMProbe.Credential] {
    let names = try route(name).upstreams.map(\.name)
    let written = upstreams?.map(\.credential) ?? [nil]
    return zip(names, written).compactMap { upstream, own in
      guard let credential = own ?? credential else { return nil }
      return LLMProbe.Credential(
        route: name, secret: credential.secret, key: credential.key ?? Credential.usualKey,
        scope: credential.scope == .route ? .route : .agent, upstream: upstream)
    }
  }
}

extension LLMContentItem {
  fileprivate init(_ card: ContentRecord.Card) {
    self.init(
      id: card.id, time: card.time, agent: card.agent, agentID: card.agentID, owner: card.owner, route: card.route, model: card.model,
      upstream: card.upstream, path: card.path, status: card.status, requestBytes: card.requestBytes, answerBytes: card.answerBytes,
      isRequestTruncated: card.isRequestTruncated, isAnswerTruncated: card.isAnswerTruncated)
  }
}

extension LLMProbe.Figures {
  fileprivate init(_ figures: BudgetFigures) {
    let measure: LLMBudgetMeasure =
      switch figures.measure {
      case .tokens: .tokens
      case .cost: .cost
      case .requests: .requests
      case .concurrency: .concurrency
      }
    self.init(
      budget: figures.budget, group: figures.group, measure: measure, window: figures.window, limit: figures.limit, used: figures.used,
      reserved: figures.reserved, resetsAt: figures.resetsAt)
  }
}
