import Foundation
import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPlan
import PalanaStore
import Synchronization
import Testing

@testable import PalanaBootstrap

/// The reaper over the store of one machine.
@Suite struct IdleReaperTests {
  private static let start = Timestamp(seconds: 1_800_000_000)

  /// A store with a clock that the test moves, and what the reaper writes down.
  private final class World: Sendable {
    let store: SQLiteStore
    let book = ActivityBook()
    let trail = Trail()
    private let time = Mutex(IdleReaperTests.start)

    init(_ store: SQLiteStore) { self.store = store }

    func pass(_ duration: Duration) { time.withLock { $0 = $0 + duration } }
    var now: Timestamp { time.withLock { $0 } }

    func look() async throws -> IdleReaper.Report {
      try await IdleReaper(
        agents: LocalIdleAgents(store: store, activity: book), rule: IdleRule(warnBefore: .seconds(600)), audit: trail,
        clock: WallClock { [self] in now }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      ).look()
    }

    func agent(_ name: String = "demo") async throws -> Agent {
      try await store.get(AgentSpec.self, owner: try UserIdentity("alice"), name: try ResourceName(name))
    }

    /// One that began to run at this moment.
    @discardableResult
    func make(_ name: String = "demo", idleAfter: String? = "1h", template: String? = nil) async throws -> Agent {
      var spec = AgentSpec(
        owner: try UserIdentity("alice"), template: template, image: template == nil ? "host" : nil,
        lifecycle: AgentLifecycle(desired: .running))
      spec.lifecycle?.idleAfter = try idleAfter.map { try TimeSpan($0) }
      let made = try await store.create(Agent(metadata: ObjectMeta(name: try ResourceName(name)), spec: spec))
      return try await store.updateStatus(
        AgentSpec.self, owner: made.spec.owner, name: made.metadata.name, uid: made.metadata.uid ?? "",
        status: AgentStatus(phase: .running, startedAt: now))
    }
  }

  private final class Trail: AuditSink {
    private let kept = Mutex<(events: [AuditEvent], isFull: Bool)>(([], false))
    var events: [AuditEvent] { kept.withLock { $0.events } }
    func fill(_ isFull: Bool) { kept.withLock { $0.isFull = isFull } }
    func record(_ event: AuditEvent) throws(AuditUnavailable) {
      guard
        kept.withLock({ kept in
          if !kept.isFull { kept.events.append(event) }
          return !kept.isFull
        })
      else { throw AuditUnavailable("full") }
    }
  }

  private static func run(_ body: (World) async throws -> Void) async throws {
    let folder = NSTemporaryDirectory() + "palana-idle-" + RandomToken.hex(bytes: 8)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try await SQLiteStore.open(path: folder + "/palana.db", logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    defer { store.close() }
    try await body(World(store))
  }

  @Test func warnsOnceThenStopsAndKeepsTheWish() async throws {
    try await Self.run { world in
      let id = try #require(try await world.make().requireID())
      world.pass(.seconds(2_900))
      #expect(try await world.look() == IdleReaper.Report(looked: 1))
      world.pass(.seconds(200))
      #expect(try await world.look().warned == [id])
      #expect(try await world.look() == IdleReaper.Report(looked: 1))
      world.pass(.seconds(599))
      #expect(try await world.look() == IdleReaper.Report(looked: 1))
      world.pass(.seconds(1))
      #expect(try await world.look().stopped == [id])
      let agent = try await world.agent()
      #expect(agent.isIdle && agent.spec.lifecycle?.desired == .running)
      // It is nobody's business any more.
      #expect(try await world.look() == IdleReaper.Report())
      #expect(world.trail.events.map(\.action) == ["idle-warning", "idle-stop"])
      #expect(world.trail.events.allSatisfy { $0.component == .lifecycle && $0.agent?.id == id && $0.actor == nil })
      #expect(world.trail.events.first?.details["stopsAt"] == "\(Self.start + .seconds(3_700))")
      // Any change of what is wanted wakes it.
      var woken = agent
      woken.spec.lifecycle?.restartCount = 1
      #expect(try await !world.store.update(woken).isIdle)
    }
  }

  @Test func activityAfterTheWarningCounts() async throws {
    try await Self.run { world in
      let id = try #require(try await world.make().requireID())
      world.pass(.seconds(3_100))
      #expect(try await world.look().warned == [id])
      world.pass(.seconds(500))
      world.book.note(id, at: world.now)
      world.pass(.seconds(100))
      #expect(try await world.look() == IdleReaper.Report(looked: 1))
      // A new silence, a new warning.
      world.pass(.seconds(3_000))
      #expect(try await world.look().warned == [id])
      // A command that is still running.
      world.book.hold(id, at: world.now)
      world.pass(.seconds(90_000))
      #expect(try await world.look() == IdleReaper.Report(looked: 1))
    }
  }

  @Test func onlyWhoMayBecomeIdle() async throws {
    try await Self.run { world in
      try await world.make("forever", idleAfter: nil)
      _ = try await world.store.create(
        AgentTemplate(metadata: ObjectMeta(name: try ResourceName("short")), spec: try Self.template(idleAfter: "1h")))
      let byTemplate = try #require(try await world.make("templated", idleAfter: nil, template: "short").requireID())
      let stopped = try await world.make("stopped")
      _ = try await world.store.updateStatus(
        AgentSpec.self, owner: stopped.spec.owner, name: stopped.metadata.name, uid: stopped.metadata.uid ?? "",
        status: AgentStatus(phase: .stopped))
      let deleted = try await world.make("deleted")
      _ = try await world.store.markDeleted(AgentSpec.self, owner: deleted.spec.owner, name: deleted.metadata.name)
      world.pass(.seconds(90_000))
      #expect(try await world.look() == IdleReaper.Report(looked: 1, warned: [byTemplate]))
    }
  }

  @Test func nobodyIsStoppedWithoutATrace() async throws {
    try await Self.run { world in
      let id = try #require(try await world.make().requireID())
      world.pass(.seconds(3_100))
      _ = try await world.look()
      world.pass(.seconds(900))
      world.trail.fill(true)
      #expect(try await world.look().failed == [id])
      #expect(try await !world.agent().isIdle)
      world.trail.fill(false)
      #expect(try await world.look().stopped == [id])
    }
  }

  private static func template(idleAfter: String) throws -> AgentTemplateSpec {
    try StrictDecoder.decode(
      AgentTemplateSpec.self, from: ["image": "host", "command": ["sleep", "1"], "lifecycle": ["idleAfter": .string(idleAfter)]])
  }
}

extension Resource where Spec == AgentSpec {
  fileprivate func requireID() throws -> AgentID? { spec.owner.map { AgentID(owner: $0, name: metadata.name) } }
}
