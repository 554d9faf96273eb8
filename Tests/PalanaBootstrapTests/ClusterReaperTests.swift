import Foundation
import HTTPTypes
import Hummingbird
import KubeTestServer
import Logging
import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaCluster
import PalanaCore
import PalanaKube
import PalanaManifests
import PalanaOperator
import PalanaPlan
import Synchronization
import Testing

@testable import PalanaBootstrap

/// The reaper of a cluster with the rights that the chart gives it, against a real API server.
@Suite("Kubernetes reaper", .enabled(if: KubeTestServer.real.isPresent), .serialized, .timeLimit(.minutes(5)))
struct ClusterReaperTests {
  private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  private static let system = "palana-system"

  private final class Trail: AuditSink {
    private let kept = Mutex<[AuditEvent]>([])
    var events: [AuditEvent] { kept.withLock { $0 } }
    func record(_ event: AuditEvent) throws(AuditUnavailable) { kept.withLock { $0.append(event) } }
  }

  private struct World {
    let admin: KubeClient
    /// With the rights of the reaper's service account.
    let reaper: KubeClient
    let gateway: KubeClient
    let control: KubeClient
    let namespace: String
    let start = WallClock.system.now()

    func look(
      after time: Duration = .zero, _ trail: Trail = Trail(), needsGateway: Bool = true, prometheus: PrometheusActivity? = nil,
      isDry: Bool = false
    ) async throws -> IdleReaper.Report {
      let clock = WallClock { [start] in start + time }
      return try await IdleReaper(
        agents: ClusterIdleAgents(
          client: reaper, namespace: system, needsGateway: needsGateway, prometheus: prometheus, isDry: isDry, clock: clock, logger: quiet),
        rule: IdleRule(warnBefore: .seconds(600)), audit: trail, clock: clock, logger: quiet
      ).look()
    }

    func agent(_ name: String) async throws -> KubeObject { try await admin.get(ClusterKinds.agents, name, in: namespace) }

    /// One that has run since the beginning of the test.
    func make(_ name: String, _ spec: JSONObject = ["lifecycle": ["idleAfter": "1h"]]) async throws {
      var object = KubeObject(ClusterKinds.agents, namespace: namespace, name: name)
      var all: JSONObject = ["owner": "alice", "image": "example.com/agent:1", "command": ["serve"]]
      for (name, value) in spec { all[name] = value }
      object["spec"] = .object(all)
      _ = try await admin.create(ClusterKinds.agents, object)
      _ = try await admin.patch(
        ClusterKinds.agents, name, in: namespace, .merge(["status": ["phase": "Running", "startedAt": .string("\(start)")]]),
        subresource: "status")
    }

    func gateway(renewed: Timestamp) async throws {
      var lease = KubeObject(LeaderElection.leases, namespace: system, name: "palana-gateway-0")
      lease.setMetadata("labels", ["palana.dev/gateway": "true"])
      lease["spec"] = ["holderIdentity": "palana-gateway-0", "leaseDurationSeconds": 60, "renewTime": .string("\(renewed)")]
      _ = try await admin.apply(LeaderElection.leases, lease)
    }
  }

  private static func run(_ body: (World) async throws -> Void) async throws {
    let server = try KubeServer(try await KubeConfig(paths: [KubeTestServer.real.path()]).endpoint())
    let admin = KubeClient(server, fieldManager: "test")
    let result: Result<Void, any Error>
    do { result = .success(try await prepared(admin, body)) } catch { result = .failure(error) }
    await server.close()
    try result.get()
  }

  private static func prepared(_ admin: KubeClient, _ body: (World) async throws -> Void) async throws {
    let definitions = KubeResource(
      "apiextensions.k8s.io", "v1", "customresourcedefinitions", kind: "CustomResourceDefinition", isNamespaced: false)
    for definition in CustomResourceDefinition.all { _ = try await admin.apply(definitions, KubeObject(definition)) }
    for kind in [ClusterKinds.agents, ClusterKinds.templates] {
      while (try? await admin.list(kind)) == nil { try await Task.sleep(for: .milliseconds(50)) }
    }
    let namespaces = KubeResource("", "v1", "namespaces", kind: "Namespace", isNamespaced: false)
    let namespace = "t-" + RandomToken.hex(bytes: 4)
    for name in [system, namespace] { _ = try await admin.apply(namespaces, KubeObject(namespaces, name: name)) }
    var root = URL(filePath: #filePath)
    for _ in 0..<3 { root.deleteLastPathComponent() }
    for role in ["reaper", "gateway", "control"] {
      let rights = root.appending(path: "deploy/helm/palana/rbac/\(role).yaml").path()
      for document in try ManifestDocument.parse(Array(try String(contentsOfFile: rights, encoding: .utf8).utf8), file: rights) {
        let object = KubeObject(document.value)
        let isNamespaced = !object.kind.hasPrefix("Cluster")
        _ = try await admin.apply(
          KubeResource(
            "rbac.authorization.k8s.io", "v1", object.kind.lowercased() + "s", kind: object.kind, isNamespaced: isNamespaced), object)
      }
    }
    func account(_ role: String) -> KubeClient {
      admin.impersonating(
        Impersonation(
          user: "system:serviceaccount:\(system):palana-\(role)", groups: ["system:serviceaccounts", "system:serviceaccounts:\(system)"]))
    }
    let world = World(
      admin: admin, reaper: account("reaper"), gateway: account("gateway"), control: account("control"), namespace: namespace)
    let result: Result<Void, any Error>
    do { result = .success(try await body(world)) } catch { result = .failure(error) }
    _ = try? await admin.deleteAll(ClusterKinds.agents, Selection(namespace: namespace))
    _ = try? await admin.delete(LeaderElection.leases, "palana-gateway-0", in: system)
    _ = try? await admin.delete(namespaces, namespace)
    try result.get()
  }

  @Test func warnsAndMarks() async throws {
    try await Self.run { world in
      try await world.gateway(renewed: world.start + .seconds(7_200))
      try await world.make("demo")
      try await world.make("forever", [:])
      let trail = Trail()
      #expect(try await world.look(after: .seconds(2_900), trail) == IdleReaper.Report(looked: 1))
      #expect(try await world.look(after: .seconds(3_100), trail, isDry: true).warned.count == 1)
      #expect(try await world.agent("demo").annotations.isEmpty)
      #expect(try await world.look(after: .seconds(3_100), trail).warned.count == 1)
      #expect(try await world.look(after: .seconds(3_600), trail) == IdleReaper.Report(looked: 1))
      #expect(try await world.look(after: .seconds(3_700), trail).stopped.count == 1)
      let marked = try await world.agent("demo")
      #expect(marked.annotations[IdleAnnotation.idle] == "\(marked.generation)")
      #expect(try await world.look(after: .seconds(3_800), trail) == IdleReaper.Report())
      #expect(trail.events.map(\.action) == ["idle-warning", "idle-warning", "idle-stop"])
      let said = try await world.admin.list(AgentEvent.resource, Selection(namespace: world.namespace)).objects
      #expect(said.compactMap { $0["reason"]?.string }.sorted() == ["Idle", "IdleSoon"])
      // A change of what is wanted makes the mark one of the past.
      let woken = try await world.admin.patch(
        ClusterKinds.agents, "demo", in: world.namespace, .merge(["spec": ["lifecycle": ["restartCount": 1]]]))
      #expect(woken.annotations[IdleAnnotation.idle] != "\(woken.generation)")
      // Its rights go no further.
      let refused = await #expect(throws: KubeError.self) {
        try await world.reaper.delete(ClusterKinds.agents, "demo", in: world.namespace)
      }
      #expect(refused?.kind == .forbidden)
    }
  }

  @Test func whatGatewaysSawCounts() async throws {
    try await Self.run { world in
      try await world.gateway(renewed: world.start + .seconds(7_200))
      try await world.make("demo")
      _ = try await world.admin.patch(
        ClusterKinds.agents, "demo", in: world.namespace, .merge(["status": ["lastActivity": .string("\(world.start + .seconds(3_000))")]]),
        subresource: "status")
      #expect(try await world.look(after: .seconds(3_600)) == IdleReaper.Report(looked: 1))
      #expect(try await world.look(after: .seconds(6_200)).warned.count == 1)
    }
  }

  /// What a gateway saw comes into the status, no more often than it has to, and only of the agent that it was.
  @Test func gatewaysWriteWhatTheySaw() async throws {
    try await Self.run { world in
      try await world.make("demo")
      let id = AgentID(owner: try UserIdentity("alice"), name: try ResourceName("demo"))
      let uid = try await world.agent("demo").uid
      let seen = Mutex(world.start)
      let owner = Mutex(uid)
      let reporter = ActivityReporter(
        client: world.gateway, activity: { [id: seen.withLock { $0 }] },
        places: { _ in [id: (ObjectKey(namespace: world.namespace, name: "demo"), owner.withLock { $0 })] }, logger: Self.quiet)
      var written: [AgentID: Timestamp] = [:]
      func last() async throws -> String? { try await world.agent("demo")["status"]?["lastActivity"]?.string }
      await reporter.report(&written)
      #expect(try await last() == "\(world.start)")
      seen.withLock { $0 = world.start + .seconds(59) }
      await reporter.report(&written)
      #expect(try await last() == "\(world.start)")
      seen.withLock { $0 = world.start + .seconds(60) }
      await reporter.report(&written)
      #expect(try await last() == "\(world.start + .seconds(60))")
      #expect(try await world.agent("demo")["status"]?["phase"] == "Running")
      // Another agent of this name is not it.
      owner.withLock { $0 = "00000000-0000-0000-0000-000000000000" }
      seen.withLock { $0 = world.start + .seconds(600) }
      await reporter.report(&written)
      #expect(try await last() == "\(world.start + .seconds(60))")
      let refused = await #expect(throws: KubeError.self) {
        try await world.gateway.patch(ClusterKinds.agents, "demo", in: world.namespace, .merge(["spec": ["image": "x"]]))
      }
      #expect(refused?.kind == .forbidden)
    }
  }

  /// What could not be written for a while is never put over what somebody else saw later.
  @Test func whatIsLateReplacesNothingLater() async throws {
    try await Self.run { world in
      try await world.make("demo")
      let id = AgentID(owner: try UserIdentity("alice"), name: try ResourceName("demo"))
      let uid = try await world.agent("demo").uid
      func last(after seen: Duration, at now: Duration) async throws -> String? {
        let reporter = ActivityReporter(
          client: world.gateway, activity: { [id: world.start + seen] },
          places: { _ in [id: (ObjectKey(namespace: world.namespace, name: "demo"), uid)] },
          clock: WallClock { world.start + now }, logger: Self.quiet)
        var written: [AgentID: Timestamp] = [:]
        await reporter.report(&written)
        #expect(written[id] == world.start + seen)
        return try await world.agent("demo")["status"]?["lastActivity"]?.string
      }
      #expect(try await last(after: .seconds(1_000), at: .seconds(1_010)) == "\(world.start + .seconds(1_000))")
      #expect(try await last(after: .seconds(400), at: .seconds(1_100)) == "\(world.start + .seconds(1_000))")
      #expect(try await last(after: .seconds(1_200), at: .seconds(9_000)) == "\(world.start + .seconds(1_200))")
    }
  }

  /// What a person does in an agent is activity for as long as it lasts.
  @Test func theControlAPIWritesWhatPeopleDo() async throws {
    try await Self.run { world in
      try await world.make("demo")
      let id = AgentID(owner: try UserIdentity("alice"), name: try ResourceName("demo"))
      let stores = ClusterStores(world.control, logger: Self.quiet)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await stores.directory.run() }
        try await stores.directory.ready()
        let now = Mutex(world.start)
        let activity = PeopleActivity(directory: stores.directory, clock: WallClock { now.withLock { $0 } })
        let reporter = activity.reporter(world.control, logger: Self.quiet)
        func last() async throws -> String? { try await world.agent("demo")["status"]?["lastActivity"]?.string }
        var written: [AgentID: Timestamp] = [:]
        await reporter.report(&written)
        #expect(try await last() == nil)
        activity.book.hold(id, at: world.start)
        now.withLock { $0 = world.start + .seconds(600) }
        await reporter.report(&written)
        #expect(try await last() == "\(world.start + .seconds(600))")
        activity.book.release(id, at: world.start + .seconds(700))
        now.withLock { $0 = world.start + .seconds(3_000) }
        await reporter.report(&written)
        #expect(try await last() == "\(world.start + .seconds(700))")
        _ = try await world.admin.delete(ClusterKinds.agents, "demo", in: world.namespace)
        while !stores.directory.places(of: [id]).isEmpty { try await Task.sleep(for: .milliseconds(20)) }
        _ = activity.newest()
        #expect(activity.newest().isEmpty)
        group.cancelAll()
      }
    }
  }

  @Test func withoutAGatewaySilenceMeansNothing() async throws {
    try await Self.run { world in
      try await world.make("demo")
      let none = await #expect(throws: PalanaError.self) { try await world.look(after: .seconds(90_000)) }
      #expect(none?.code == .unreachable)
      try await world.gateway(renewed: world.start)
      let dead = await #expect(throws: PalanaError.self) { try await world.look(after: .seconds(90_000)) }
      #expect(dead?.code == .unreachable)
      #expect(try await world.agent("demo").annotations.isEmpty)
      #expect(try await world.look(after: .seconds(90_000), needsGateway: false).warned.count == 1)
    }
  }

  @Test func somebodyElsesChangeIsASignOfLife() async throws {
    try await Self.run { world in
      try await world.make("demo")
      let agents = ClusterIdleAgents(
        client: world.reaper, namespace: Self.system, needsGateway: false, prometheus: nil, isDry: false, clock: .system, logger: Self.quiet
      )
      let candidate = try #require(try await agents.candidates(now: world.start).first)
      _ = try await world.admin.patch(
        ClusterKinds.agents, "demo", in: world.namespace, .merge(["spec": ["lifecycle": ["restartCount": 1]]]))
      let error = await #expect(throws: PalanaError.self) { try await agents.annotate(candidate, IdleAnnotation.idle, "1") }
      #expect(error?.code == .conflict)
      #expect(try await world.agent("demo").annotations.isEmpty)
    }
  }

  @Test func prometheusIsAsked() async throws {
    try await Self.run { world in
      try await world.make("demo")
      try await world.make("quiet")
      let home = AgentNamespace.name(owner: try UserIdentity("alice"), agent: try ResourceName("demo"))
      let asked = Mutex<String?>(nil)
      let status = Mutex(HTTPResponse.Status.ok)
      let (ports, told) = AsyncStream.makeStream(of: Int.self)
      let app = Application(
        responder: CallbackResponder<BasicRequestContext> { request, _ in
          let body = try await request.body.collect(upTo: 1 << 16)
          asked.withLock { $0 = "\(request.method.rawValue) \(request.uri.path) \(String(buffer: body))" }
          let text =
            #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"namespace":"\#(home)"},"value":[1,"2000"]}]}}"#
          return Response(status: status.withLock { $0 }, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        }, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
        onServerRunning: { told.yield($0.localAddress?.port ?? 0) }, logger: Self.quiet)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try? await app.runService(gracefulShutdownSignals: []) }
        defer { group.cancelAll() }
        let port = try #require(await ports.first { _ in true })
        let prometheus = PrometheusActivity(url: "http://127.0.0.1:\(port)/", query: "sum by (namespace) (up)", threshold: 1_000)
        let report = try await world.look(after: .seconds(90_000), needsGateway: false, prometheus: prometheus)
        #expect(report.looked == 2 && report.warned.count == 1)
        #expect(asked.withLock { $0 } == "POST /api/v1/query query=sum%20by%20%28namespace%29%20%28up%29")
        // Away, nobody is stopped.
        status.withLock { $0 = .serviceUnavailable }
        let away = await #expect(throws: PalanaError.self) {
          try await world.look(after: .seconds(99_000), needsGateway: false, prometheus: prometheus)
        }
        #expect(away?.code == .failed)
      }
    }
  }
}
