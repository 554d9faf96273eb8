import FoundationEssentials
import Glibc
import Logging
import PalanaAPI
import PalanaAudit
import PalanaControl
import PalanaControlAPI
import PalanaCore
import PalanaPlan
import PalanaPolicy
import PalanaStore
import ServiceLifecycle
import Synchronization
import Testing

/// One installation with the real store, audit trail and sockets, and doubles for what needs a kernel or a secret
/// store. Three people reach it, each through a socket of their own; one operator through TCP.
final class ControlWorld: Sendable {
  enum Person: String, Sendable, CaseIterable { case root, alice, bob }

  struct Settings: Sendable {
    var limits = ControlLimits()
    var effort = PlaneCutter.Effort()
    var group: UInt32?
    /// Whether audit trails of others are collected.
    var collects = true
    /// Whether there are routes to language models.
    var hasModels = true
  }

  static let token = "0123456789abcdef0123456789abcdef"

  let folder: String
  let store: SQLiteStore
  let sink: SwitchableSink
  let log: AuditLog
  let engine = FakeEngine()
  let planes = ["gateway", "network", "secrets", "compute"].map { FakePlane($0) }
  let secrets = FakeSecrets()
  let gateway = FakeGateway()
  let activity = ActivityBook()
  let models = FakeModels()
  let shutdowns = Mutex<[Bool]>([])
  let portBox = Mutex(0)
  /// What becomes of attacks, and the runs that there were.
  let attackFate = Mutex((waits: false, fails: false, runs: [String]()))
  let settings: Settings
  /// The services of root, alice and bob.
  private let controls = Mutex<[ControlService]>([])

  var port: Int { portBox.withLock { $0 } }
  var kills: KillService { get throws { try #require(controls.withLock { $0.first }?.killService) } }
  var events: [AuditEvent] { sink.events.withLock { $0 } }

  private init(_ settings: Settings) async throws {
    self.settings = settings
    folder = "/tmp/control-test-" + RandomToken.hex(bytes: 8)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    store = try await SQLiteStore.open(path: folder + "/store/state.db", logger: logger)
    let spool = try AuditSpool(directory: folder + "/spool")
    sink = SwitchableSink(spool.makeWriter(label: "test"))
    log = try await AuditLog.open(path: folder + "/audit/audit.db", spool: spool, logger: logger)
  }

  func socket(_ person: Person) -> String { "\(folder)/\(person.rawValue).sock" }

  /// Starts everything, runs `body`, ends everything and removes the folder.
  static func run(
    _ settings: Settings = Settings(), _ body: @escaping @Sendable (ControlWorld) async throws -> Void
  ) async throws {
    let world = try await ControlWorld(settings)
    defer { try? FileManager.default.removeItem(atPath: world.folder) }
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    var services: [ControlService] = []
    for person in Person.allCases { services.append(try world.control(for: person, logger)) }
    world.controls.withLock { [services] in $0 = services }
    let group = ServiceGroup(
      configuration: .init(services: [world.log] + services, logger: logger))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      for service in services { await service.waitUntilListening() }
      let port = await services[0].tcpPort() ?? 0
      world.portBox.withLock { $0 = port }
      let result: Result<Void, any Error>
      do { result = .success(try await body(world)) } catch { result = .failure(error) }
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
      try result.get()
    }
    world.store.close()
  }

  /// The service on one person's socket. This process is everybody, so the person is decided by the socket: the name
  /// comes from the name service, the operator's rights from the set of operators.
  private func control(for person: Person, _ logger: Logger) throws -> ControlService {
    let tcp = ControlConfiguration.TCP(
      address: .v4(0x7f00_0001), port: 0, token: Redacted(Self.token), identity: try UserIdentity("operator"),
      hostNames: ["palana.test"])
    return try ControlService(
      ControlConfiguration(
        socket: .init(path: socket(person), group: settings.group), tcp: person == .root ? tcp : nil,
        installation: "test-1", version: "0.1.0",
        limits: settings.limits),
      dependencies(person), operators: person == .root ? Authenticator.localOperators : [], logger: logger)
  }

  func dependencies(_ person: Person) -> ControlDependencies {
    ControlDependencies(
      scopes: .same(
        ControlScope(
          store: store, engine: engine, containment: .planes(planes), secrets: secrets, gateway: gateway.gateway(secrets),
          egressTester: { (agent, request) async throws(PalanaError) in
            let rules = try CompiledRules([RuleSource(name: "agent", rules: agent.spec.egress?.rules ?? [])])
            return await DecisionCore(rules: rules).explain(request)
          },
          attacker: attack)),
      audit: sink, auditReader: AuditLogReader(log: log),
      system: SystemProbe(
        startedAt: Timestamp(seconds: 1), home: folder, gateway: { "10.77.0.1:3128" },
        components: { [.init(name: "egress", healthy: true, message: "ok")] },
        checks: { [.init(name: "nftables", state: .warn, message: "old", hint: "apt")] },
        shutdown: { [self] stop throws(PalanaError) in shutdowns.withLock { $0.append(stop) } },
        cluster: { user in
          ClusterAccess(name: "test-1", server: "https://127.0.0.1:6443", certificateAuthority: "", namespace: "palana-\(user)")
        }),
      userNames: UserNames { user in user == geteuid() ? person.rawValue : "user-\(user)" }, killEffort: settings.effort,
      activity: activity, collection: settings.collects ? collection : nil,
      llm: settings.hasModels ? (try? models.probe()) : nil)
  }

  /// The token `sender-NAME` is that of a gateway's pod of this name; a token with `blind` is one that nobody can be asked about.
  private var collection: AuditCollection {
    AuditCollection(log: log) { token in
      let text = token.reveal()
      if text == "blind" { throw PalanaError(.unreachable, "the cluster cannot be asked") }
      guard text.hasPrefix("sender-") else { throw Authenticator.unknown }
      return AuditSender(
        identity: try UserIdentity("system:serviceaccount:palana-system:palana-gateway"), pod: String(text.dropFirst(7)))
    }
  }
}
