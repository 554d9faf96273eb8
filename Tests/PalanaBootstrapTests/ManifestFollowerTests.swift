import Foundation
import Logging
import PalanaCore
import PalanaPolicy
import Synchronization
import Testing

@testable import PalanaBootstrap
@testable import PalanaEgress

/// What becomes of the gateway's picture when the folder changes, breaks and is mended.
@Suite struct ManifestFollowerTests {
  private final class Record: Sendable {
    let pictures = Mutex<[EgressSnapshot]>([])
    let killed = Mutex<[Set<AgentID>]>([])
    let now = Mutex(Duration.zero)
    let folder = NSTemporaryDirectory() + "palana-manifests-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func write(_ name: String, _ text: String) throws {
      try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
    }

    func follower() -> ManifestFollower {
      var logger = Logger(label: "test")
      logger.logLevel = .critical
      return ManifestFollower(
        folder: ManifestFolder(path: folder), book: PolicyBook(guardrails: [], logger: logger),
        proxyToken: { Redacted("token of \($0)") }, killed: { [self] ids in killed.withLock { $0.append(ids) } },
        patience: .seconds(30), clock: MonotonicClock { [self] in now.withLock { $0 } }, logger: logger,
        apply: { [self] picture in pictures.withLock { $0.append(picture) } })
    }

    /// What the newest picture says to a request.
    func decision() async throws -> EgressDecision? {
      guard let agent = pictures.withLock({ $0.last?.all.first }) else { return nil }
      let request = EgressRequest(
        subject: agent.subject, stage: .request, scheme: .https, authority: try Authority.parse(connectTarget: "api.example.com:443"),
        method: "GET", path: "/")
      return await agent.decisions.decide(request)
    }
  }

  @Test func aGatewayWithoutSoundManifestsDoesNotStart() async throws {
    let record = try Record()
    try record.write("a.yaml", "kind: Nonsense")
    await #expect(throws: PalanaError.self) { try await record.follower().start() }
    try FileManager.default.removeItem(atPath: record.folder)
    await #expect(throws: PalanaError.self) { try await record.follower().start() }
    #expect(record.pictures.withLock { $0.isEmpty })
  }

  @Test func whatIsUnchangedIsNotAppliedAgain() async throws {
    let record = try Record()
    try record.write("a.yaml", AgentManifestsTests.agent)
    let follower = record.follower()
    try await follower.start()
    await follower.refresh()
    #expect(record.pictures.withLock { $0.count } == 1)
    #expect(follower.health == .current(agents: 1))
    // A kill order is a file more.
    try record.write(
      "k.yaml",
      "{apiVersion: palana.dev/v1alpha1, kind: KillOrder, metadata: {name: k}, spec: {target: {all: true}, reason: r, by: root, at: \"2026-01-01T00:00:00Z\"}}"
    )
    await follower.refresh()
    #expect(record.pictures.withLock { $0.last?.all.map(\.isKilled) } == [true])
    #expect(record.killed.withLock { $0.map(\.count) } == [0, 1])
  }

  @Test func aFolderThatBreaksHoldsForAWhileAndThenNothingIsAllowed() async throws {
    let record = try Record()
    try record.write("a.yaml", AgentManifestsTests.agent)
    let follower = record.follower()
    try await follower.start()
    #expect(try await record.decision()?.isAllowed == true)
    try record.write("b.yaml", "{")
    await follower.refresh()
    record.now.withLock { $0 = .seconds(29) }
    await follower.refresh()
    guard case .stale = follower.health else { throw PalanaError(.failed, "\(String(describing: follower.health))") }
    #expect(record.pictures.withLock { $0.count } == 1)
    record.now.withLock { $0 = .seconds(30) }
    await follower.refresh()
    await follower.refresh()
    guard case .withheld = follower.health else { throw PalanaError(.failed, "\(String(describing: follower.health))") }
    #expect(record.pictures.withLock { $0.count } == 2)
    #expect(try await record.decision()?.denial == .policyUnavailable)
    try FileManager.default.removeItem(atPath: record.folder + "/b.yaml")
    await follower.refresh()
    #expect(follower.health == .current(agents: 1))
    #expect(try await record.decision()?.isAllowed == true)
  }
}
