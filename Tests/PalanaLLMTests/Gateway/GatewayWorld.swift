import Foundation
import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaSecrets
import ServiceLifecycle
import Synchronization
import Testing

@testable import PalanaLLM

/// A gateway with its ledger on real sockets, two agents, and what it wrote down.
final class GatewayWorld: Sendable {
  static let key = "sk-real-0123456789"

  final class Trail: AuditSink {
    private let kept = Mutex<[AuditEvent]>([])
    let isDown = Mutex(false)
    var events: [AuditEvent] { kept.withLock { $0 } }

    func record(_ event: AuditEvent) throws(AuditUnavailable) {
      if isDown.withLock({ $0 }) { throw AuditUnavailable("a test said so") }
      kept.withLock { $0.append(event) }
    }

    /// Waits until there are so many events of calls.
    func calls(_ count: Int) async throws -> [AuditEvent] {
      while true {
        let calls = events.filter { $0.action == "call" }
        if calls.count >= count { return calls }
        try await Task.sleep(for: .milliseconds(5))
      }
    }
  }

  struct Secrets: SecretValueSource {
    var failure: PalanaError?
    /// By their names.
    var values: [String: String] = [:]
    func cachedValue(of ref: SecretRef, revision: Int) -> Redacted<String>? { values[ref.path.secret].map { Redacted($0) } }
    func value(of ref: SecretRef, revision: Int) async throws(PalanaError) -> Redacted<String> {
      if let failure { throw failure }
      if let value = values[ref.path.secret] { return Redacted(value) }
      return Redacted("\(GatewayWorld.key)-\(ref.path.agent)")
    }
  }

  let gateway: LLMGateway
  let ledger: Ledger
  let breaker: ReasoningBreaker
  let trail: Trail
  let alice: LLMAgent
  let bob: LLMAgent

  private init(_ gateway: LLMGateway, _ ledger: Ledger, _ breaker: ReasoningBreaker, _ trail: Trail, _ alice: LLMAgent, _ bob: LLMAgent) {
    self.gateway = gateway
    self.ledger = ledger
    self.breaker = breaker
    self.trail = trail
    self.alice = alice
    self.bob = bob
  }

  private var port: Int { Int(gateway.boundAddress?.port ?? 0) }
  /// Alice's agent, at 127.0.0.1.
  var agent: TestAgent { TestAgent(port: port) }
  /// Bob's, at 127.0.0.2.
  var other: TestAgent { TestAgent(port: port, address: "127.0.0.2") }
  var stranger: TestAgent { TestAgent(port: port, address: "127.0.0.3") }

  func show(alice isKilled: Bool, secrets: [PlaceholderBinding] = []) async throws {
    var alice = alice
    alice.isKilled = isKilled
    await gateway.apply(LLMSnapshot([try ip("127.0.0.1"): alice, try ip("127.0.0.2"): bob], secrets: secrets))
  }

  /// A secret of an agent, with this value.
  static func secret(_ name: String, of agent: LLMAgent) -> PlaceholderBinding {
    PlaceholderBinding(
      placeholder: "PLACEHOLDER", secretName: name,
      ref: SecretRef(path: SecretPath(area: .proxySecrets, owner: agent.owner, agent: agent.name, secret: name), key: "value"),
      destinations: [], places: [], revision: 0)
  }

  private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

  static func agent(_ name: String, of owner: String) throws -> LLMAgent {
    let (name, owner) = (try ResourceName(name), try UserIdentity(owner))
    return LLMAgent(id: AgentID(owner: owner, name: name), name: name, owner: owner)
  }

  static let credential = LLMCredential(field: .bearer, isEachAgents: true) { agent in
    SecretRef(path: SecretPath(area: .proxySecrets, owner: agent.owner, agent: agent.name, secret: "LLM"), key: "value")
  }

  /// A route `/unified` of OpenAI's style to these upstreams.
  static func route(_ urls: [String]) -> LLMRoute {
    var route = LLMRoute(
      name: "unified", style: .openAI,
      upstreams: urls.enumerated().map { LLMUpstream(name: "u\($0.offset)", url: $0.element, style: .openAI, credential: credential) })
    route.maxOutput = 1_000
    return route
  }

  static func run(
    _ routes: [LLMRoute], budgets: [LLMBudget] = [], secrets: Secrets = Secrets(), limits: LLMLimits = LLMLimits(),
    reasoning: AgentReasoning? = nil, content: ContentLog? = nil, redaction: [RedactionPattern] = [], trusting certificates: [String] = [],
    _ body: (GatewayWorld) async throws -> Void
  ) async throws {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let folder = FileManager.default.temporaryDirectory.appending(path: "palana-llm-\(RandomToken.hex(bytes: 6))").path()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let ledger = try await Ledger.open(folder: folder, prices: .builtIn, logger: logger)
    ledger.apply(budgets)
    let breaker = try await ReasoningBreaker.open(ledger, logger: logger)
    let trail = Trail()
    let loopback = try #require(IPAddress("127.0.0.1"))
    var configuration = LLMGatewayConfiguration(listenAddress: loopback, routes: routes)
    configuration.threads = 2
    configuration.upstreamCAFiles = certificates
    configuration.limits = limits
    configuration.redaction = redaction
    let gateway = try LLMGateway(
      configuration: configuration, ledger: ledger, secrets: secrets, audit: { _ in trail }, breaker: breaker, content: content,
      logger: logger)
    try await gateway.listen()
    var alice = try agent("demo", of: "alice@example.com")
    (alice.instance, alice.reasoning) = ("run-1", reasoning)
    let world = GatewayWorld(gateway, ledger, breaker, trail, alice, try agent("other", of: "bob@example.com"))
    try await world.show(alice: false)
    let group = ServiceGroup(
      configuration: .init(
        services: [.init(service: ledger), .init(service: breaker)] + (content.map { [.init(service: $0)] } ?? []) + [
          .init(service: gateway)
        ],
        logger: logger))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      let result: Result<Void, any Error>
      do { result = .success(try await body(world)) } catch { result = .failure(error) }
      // Nothing of any request is left, or the test does not end in time.
      if case .success = result {
        while await gateway.bodyBytes() > 0 || ledger.openCalls > 0 { try await Task.sleep(for: .milliseconds(5)) }
      }
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
      try result.get()
    }
  }
}
