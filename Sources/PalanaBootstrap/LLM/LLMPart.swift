import Glibc
import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaEgress
import PalanaLLM
import PalanaManifests
import PalanaPlan
import PalanaPolicy
import PalanaSecrets
import PalanaStore
import ServiceLifecycle

/// The LLM gateway of one machine with its ledger.
struct LLMPart: Sendable {
  let gateway: LLMGateway
  let ledger: Ledger
  let breaker: ReasoningBreaker
  let content: ContentLog
  private let store: any ResourceStore
  private let logger: Logger

  /// - Returns: nil without routes.
  /// - Throws: ``PalanaError``.
  static func make(
    _ configuration: LocalConfiguration, listen: LocalConfiguration.Endpoint, folder: String, store: any ResourceStore,
    secrets: any SecretValueSource, contentKey: @escaping ContentLog.KeySource, spool: AuditSpool, logger: Logger
  ) async throws(PalanaError) -> LLMPart? {
    guard !configuration.llm.routes.isEmpty else { return nil }
    let ledger = try await Ledger.open(folder: folder, prices: try prices(configuration.llm.prices), logger: logger)
    let breaker = try await ReasoningBreaker.open(ledger, logger: logger)
    var routes: [LLMRoute] = []
    for (name, file) in configuration.llm.routes.sorted(by: { $0.key < $1.key }) { routes.append(try file.route(name)) }
    guard let port = UInt16(exactly: listen.port) else { throw PalanaError(.invalid, "llm.listen: \(listen.port) is not a port") }
    var gateway = LLMGatewayConfiguration(listenAddress: listen.address, listenPort: port, routes: routes)
    gateway.upstreamCAFiles = configuration.egress.upstreamCA
    gateway.threads = configuration.egress.threads ?? 0
    for (name, pattern) in configuration.llm.redact.sorted(by: { $0.key < $1.key }) {
      gateway.redaction.append(try RedactionPattern(name: name, pattern: pattern))
    }
    // Also where no route keeps anything now: what was kept goes when its time comes.
    let content = ContentLog(
      folder: folder + "/content", settings: configuration.llm.contentLog, key: contentKey, audit: spool.makeWriter(label: "llm-content"),
      logger: logger)
    return LLMPart(
      gateway: try LLMGateway(
        configuration: gateway, ledger: ledger, secrets: secrets, audit: { spool.makeWriter(label: "llm-\($0)") },
        breaker: breaker, content: content, logger: logger),
      ledger: ledger, breaker: breaker, content: content, store: store, logger: logger)
  }

  private static func prices(_ path: String) throws(PalanaError) -> PriceTable {
    guard !path.isEmpty else { return .builtIn }
    let documents = try ManifestDocument.parse(Array(try TextFile.read(path).utf8), file: path)
    guard documents.count == 1, let document = documents.first else {
      throw PalanaError(.invalid, "\(path): one document with prices is expected")
    }
    do throws(PalanaError) {
      return try PriceTable(try StrictDecoder.decode(PriceList.self, from: document.value))
    } catch {
      throw document.located(error)
    }
  }

  /// The same agents as the egress gateway has.
  func apply(_ snapshot: EgressSnapshot, _ reasoning: [AgentID: AgentReasoning]) async {
    var agents: [IPAddress: LLMAgent] = [:]
    for agent in snapshot.all {
      agents[agent.source] = LLMAgent(
        id: agent.id, name: agent.subject.name, owner: agent.subject.owner, template: agent.subject.template, instance: agent.instance,
        isKilled: agent.isKilled, reasoning: reasoning[agent.id])
    }
    await gateway.apply(LLMSnapshot(agents, secrets: snapshot.bindings))
  }

  /// Budgets as they are in the store now.
  func readBudgets() async throws(PalanaError) { ledger.apply(try await store.list(LLMBudgetSpec.self, owner: nil)) }

  /// - Parameter escalate: marks a run as stuck.
  func services(escalate: @escaping @Sendable (ReasoningBreaker.Escalation) async -> Void) -> [any Service] {
    [
      ledger, breaker, content, gateway, BudgetFollower(part: self, store: store, logger: logger),
      EscalationTeller(breaker: breaker, escalate: escalate),
    ]
  }
}

/// Tells of runs that are stuck.
private struct EscalationTeller: Service {
  let breaker: ReasoningBreaker
  let escalate: @Sendable (ReasoningBreaker.Escalation) async -> Void

  func run() async throws {
    for await escalation in breaker.escalations.cancelOnGracefulShutdown() { await escalate(escalation) }
  }
}

/// Keeps the ledger in step with the budgets in the store.
private struct BudgetFollower: Service {
  let part: LLMPart
  let store: any ResourceStore
  let logger: Logger

  func run() async throws {
    for await change in store.watch().cancelOnGracefulShutdown() where change.kind == LLMBudgetSpec.kind || change.kind.isEmpty {
      do throws(PalanaError) { try await part.readBudgets() } catch {
        // The budgets before stay in force; the next change tries again.
        logger.error("llm.budgets.unread", metadata: ["error": "\(error)"])
      }
    }
  }
}

/// The LLM gateway as a plane of a kill: open calls end; the refusal of new ones comes with the next picture of all agents.
struct LLMPlane: ContainmentPlane {
  let gateway: LLMGateway

  var name: String { "llm" }
  func cut(_ agents: Set<AgentID>) async throws(PalanaError) { await gateway.cut(agents) }
  func restore(_ agents: Set<AgentID>) async throws(PalanaError) {}
}
