package import PalanaAPI
package import PalanaControlAPI
package import PalanaCore
import PalanaStore

/// What was used of language models, where budgets stand, and metrics.
package struct LLMService: Sendable {
  let source: Source
  let access: Access
  let clock: WallClock
  let version: String

  /// Where the answers come from.
  enum Source: Sendable {
    case gateway(LLMProbe)
    /// No routes are configured.
    case none
    /// The gateways of a cluster are elsewhere.
    case cluster

    var probe: LLMProbe {
      get throws(PalanaError) {
        switch self {
        case .gateway(let probe): return probe
        case .none:
          throw PalanaError(
            .notFound, "this installation has no routes to language models",
            hint: "write them below llm.routes in the configuration of the daemon, and start it again")
        case .cluster:
          throw PalanaError(
            .notFound, "the control API of a cluster does not know what agents use of language models",
            hint: "ask the daemon of the machine whose gateway counts it")
        }
      }
    }
  }

  /// - Throws: ``PalanaError``: `denied` for the use of others, `invalid`, `notFound` without routes, `failed`.
  package func usage(_ wanted: LLMUsageQuery, by caller: Caller) async throws(PalanaError) -> LLMUsageReport {
    let probe = try source.probe
    var query = wanted
    query.owner = try access.listOwner(wanted.owner, by: caller)
    if let from = query.from, let to = query.to, from >= to { throw PalanaError(.invalid, "from is not before to") }
    return LLMUsageReport(by: query.by, items: try await probe.usage(query).map { LLMUsageItem($0) })
  }

  /// - Throws: ``PalanaError``: `denied` for the calls of others, `notFound` without routes, `failed`.
  package func calls(
    owner: UserIdentity?, agent: String?, limit: Int, by caller: Caller
  ) async throws(PalanaError) -> LLMCallList {
    let probe = try source.probe
    let rows = try await probe.calls(try access.listOwner(owner, by: caller), agent, limit)
    return LLMCallList(items: rows.reversed().map { LLMCallItem($0) })
  }

  /// - Parameter name: of one budget; nil: of all.
  /// - Throws: ``PalanaError``: `notFound` without routes or such a budget, `failed`.
  package func budgets(named name: String?, by caller: Caller) async throws(PalanaError) -> LLMBudgetReport {
    let probe = try source.probe
    var budgets = try await access.store.list(LLMBudgetSpec.self, owner: nil).sorted { $0.metadata.name < $1.metadata.name }
    if let name {
      budgets = budgets.filter { $0.metadata.name.text == name }
      guard !budgets.isEmpty else { throw PalanaError(.notFound, "there is no budget ‘\(name.prefix(80))’") }
    }
    let agents = try await access.store.list(AgentSpec.self, owner: caller.isOperator ? nil : caller.identity)
    let view = LLMBudgetView(
      agents: agents, figures: probe.figures(), seesEverything: caller.isOperator, caller: caller.identity, now: clock.now())
    return LLMBudgetReport(items: budgets.flatMap { view.standings(of: $0) })
  }

  package func metrics() async -> [MetricFamily] {
    let build = MetricFamily(
      "palana_build_info", .gauge, "The version of the daemon.", samples: [.init([.init("version", version)], .integer(1))])
    guard case .gateway(let probe) = source else { return [build] }
    return [build] + (await probe.metrics())
  }
}
