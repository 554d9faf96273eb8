import Logging
import NIOPosix
import PalanaAPI
import PalanaAudit
import PalanaControl
import PalanaCore
import PalanaEgress
import PalanaLLM
import PalanaLocal
import PalanaPlan
import PalanaPolicy
import PalanaSecrets
import PalanaStore
import ServiceLifecycle
import Synchronization

/// What is built once the secret store answers: network, gateway, engine, control API. One service, so that it starts after its
/// foundations and ends before them.
struct LocalPlatform: Service {
  let configuration: LocalConfiguration
  let layout: HomeLayout
  let tools: LocalTools
  let store: SQLiteStore
  let spool: AuditSpool
  let auditLog: AuditLog
  let openBao: OpenBaoSupervisor
  let logger: Logger
  let startedAt = WallClock.system.now()

  func run() async throws {
    let network = try AgentNetwork(configuration: try networkConfiguration(), folder: layout.netns, logger: logger)
    // The firewall stands before anything else does, whatever an earlier daemon left.
    _ = try await network.start()
    try await openBao.ready()

    let installation = InstallationSecrets(store: openBao.gateway)
    let authority = try await InstallationKeys.certificateAuthority(installation)
    let tokens = try await InstallationKeys.proxyTokens(installation)
    let audit = spool.makeWriter(label: "daemon")
    let stored = CachingSecretSource(store: openBao.gateway)
    let guardrails = try await configuration.loadGuardrails(tools, logger: logger)
    let book = PolicyBook(guardrails: guardrails, trustsVersions: true, logger: logger)
    let addresses = try addressPolicy()
    let staticHosts = try configuration.staticHosts()

    let spool = self.spool
    let gatewayConfiguration = try gatewayConfiguration(addresses, staticHosts)
    let endpoints = try TokenEndpointClient(configuration: gatewayConfiguration)
    let values = MintingSecretSource(stored: stored, transport: endpoints, record: MintAudit.recorder(audit))
    let gateway = try configuration.dataPlane(
      gatewayConfiguration, authority, values, tools: tools, logger: logger,
      envoyFolder: "/run/\(configuration.networkPrefix)-\(shortHash(configuration.home))-envoy"
    ) { number in spool.makeWriter(label: "egress-\(number)") }
    let llm = try await llmPart(values, installation)
    let projection = EgressProjection(
      store: store, book: book, proxyToken: tokens.token(uid:),
      apply: { snapshot, reasoning in
        await gateway.apply(snapshot)
        await llm?.apply(snapshot, reasoning)
      }, logger: logger)
    let runtime = SandboxRuntime(configuration: sandboxConfiguration(authority), logger: logger)
    try await runtime.prepare()
    let activity = ActivityBook()
    var engineConfiguration = try engineConfiguration(tokens, projection, activity)
    engineConfiguration.runEnded = { ended in llm?.breaker.end(ended.agent, run: ended.run, isSuccess: ended.isSuccess) }
    let engine = LocalEngine(
      configuration: engineConfiguration, store: store, runtime: runtime, network: network,
      audit: audit, logger: logger)
    let testing = EgressTesting(store: store, book: book, addresses: addresses, staticHosts: staticHosts)
    let attack = AgentAttack(
      store: store, network: network, runtime: runtime, gateway: gateway, testing: testing, tokens: tokens,
      isTransparent: configuration.egress.isTransparent, controlPort: configuration.control.listen.flatMap { $0.port == 0 ? nil : $0.port })
    let stopper = Stopper()
    let control = try ControlService(
      try await controlConfiguration(),
      ControlDependencies(
        scopes: .same(
          ControlScope(
            store: store, engine: runtime,
            containment: .planes(
              [GatewayPlane(gateway: gateway, projection: projection)] + (llm.map { [LLMPlane(gateway: $0.gateway)] } ?? [])
                + [NetworkPlane(network), SecretsPlane(source: values), engine]),
            secrets: AgentSecrets(store: openBao.control),
            gateway: GatewayNotice(
              refresh: { () async throws(PalanaError) in try await projection.refresh() },
              forget: { agent in values.forget(agent: agent) }),
            egressTester: testing.explain, attacker: attack.run)),
        audit: audit, auditReader: AuditLogReader(log: auditLog),
        system: probe(gateway: gateway, network: network, guardrails: guardrails, stopper: stopper),
        activity: activity, llm: try llm?.probe(configuration.llm.routes)),
      logger: logger)
    let idle = IdleTimer(
      reaper: IdleReaper(
        agents: LocalIdleAgents(store: store, activity: activity), rule: IdleRule(warnBefore: configuration.idle.warnBefore), audit: audit,
        clock: .system, logger: logger),
      sources: [{ await gateway.activity() }] + (llm.map { part in [{ await part.gateway.activity() }] } ?? []), activity: activity)

    // What a kill holds stays refused from the first moment on.
    values.revoke(try await killedAgents())
    let recovering = EngineStart(engine: engine)
    let ended = await runServices(
      [stored, endpoints, values] + (llm?.services { await engine.escalate($0) } ?? []) + [gateway, projection, recovering, control, idle],
      stopper: stopper)
    if stopper.stopsAgents { try await engine.stopEverything() }
    if stopper.stopsAgents { try await network.removeEverything() }
    for guardrail in guardrails { await (guardrail as? any GuardrailShutdown)?.close() }
    try ended.get()
  }

  /// Runs the services until the platform is asked to end.
  private func runServices(_ services: [any Service], stopper: Stopper) async -> Result<Void, any Error> {
    let group = ServiceGroup(
      configuration: .init(
        services: services.map {
          ServiceGroupConfiguration.ServiceConfiguration(
            service: $0, successTerminationBehavior: .gracefullyShutdownGroup)
        }, logger: logger))
    return await withTaskGroup(of: Result<Void, any Error>?.self) { tasks in
      tasks.addTask {
        do {
          try await group.run()
          return .success(())
        } catch {
          return .failure(error)
        }
      }
      tasks.addTask {
        await stopper.wait()
        await group.triggerGracefulShutdown()
        return nil
      }
      var result: Result<Void, any Error> = .success(())
      for await one in tasks {
        guard let one else { continue }
        result = one
        stopper.stop(agents: stopper.stopsAgents)
      }
      return result
    }
  }

  private func llmPart(_ secrets: any SecretValueSource, _ installation: InstallationSecrets) async throws(PalanaError) -> LLMPart? {
    guard let listen = try llmEndpoint() else { return nil }
    let part = try await LLMPart.make(
      configuration, listen: listen, folder: layout.llm, store: store, secrets: secrets,
      contentKey: { () async throws(PalanaError) in try await InstallationKeys.contentLog(installation) }, spool: spool, logger: logger)
    try await part?.readBudgets()
    return part
  }

  private func killedAgents() async throws(PalanaError) -> Set<AgentID> {
    let orders = try await store.list(KillOrderSpec.self, owner: nil)
    var killed: Set<AgentID> = []
    for agent in try await store.list(AgentSpec.self, owner: nil) where orders.contains(where: { $0.spec.target.covers(agent) }) {
      if let owner = agent.spec.owner { killed.insert(AgentID(owner: owner, name: agent.metadata.name)) }
    }
    return killed
  }
}

extension LocalPlatform: CustomStringConvertible {
  var description: String { "LocalPlatform" }
}

/// Recovers what an earlier daemon left, then keeps reconciling.
private struct EngineStart: Service {
  let engine: LocalEngine

  func run() async throws {
    try await engine.recover()
    try await engine.run()
  }
}

/// Says once that the platform is to end, and whether agents end with it.
final class Stopper: Sendable {
  private let state = Mutex(State())
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  private struct State {
    var stopsAgents = false
    var isStopped = false
  }

  init() { (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1)) }

  var stopsAgents: Bool { state.withLock { $0.stopsAgents } }

  func stop(agents: Bool) {
    state.withLock { state in
      state.isStopped = true
      state.stopsAgents = state.stopsAgents || agents
    }
    continuation.finish()
  }

  func wait() async { for await _ in stream {} }
}
