import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaLocal

@Suite struct LifecycleDecisionTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var wish = LifecycleDecisionTests.wish()
    var memory: EngineMemory? = LifecycleDecisionTests.memory()
    var sandbox: SandboxState
    var expected: LifecycleDecision
  }

  static let now = Timestamp(seconds: 1_000_000)

  static func wish(
    _ desired: AgentLifecycle.Desired = .running, restart: AgentLifecycle.Restart = .onFailure, count: Int = 1,
    fingerprint: String = "a", killed: Bool = false, idle: Bool = false, deleted: Bool = false
  ) -> LifecycleWish {
    LifecycleWish(
      desired: desired, restart: restart, restartCount: count, processFingerprint: fingerprint, isKilled: killed,
      isIdle: idle, isDeleted: deleted)
  }

  static func memory(
    count: Int = 1, fingerprint: String = "a", endedByEngine: Bool = false, failures: Int = 0, restarts: Int = 0,
    failure: EngineMemory.StartFailure? = nil
  ) -> EngineMemory {
    EngineMemory(
      uid: "u", restartCount: count, processFingerprint: fingerprint, endedByEngine: endedByEngine, failures: failures,
      restarts: restarts, oomKills: 0, startFailure: failure)
  }

  static func failure(isFinal: Bool, ago: Int64) -> EngineMemory.StartFailure {
    EngineMemory.StartFailure(message: "m", hint: "", isFinal: isFinal, time: now - .seconds(ago))
  }

  static let id = AgentID(parsing: "demo-0123456789")

  static func running() throws -> SandboxState {
    .running(RunningSandbox(id: try #require(id), run: 1, pid: 2, shim: 3, startedAt: now - .seconds(10)))
  }

  static func exited(
    _ code: Int32, ago: Int64 = 0, lasted: Int64 = 5, reason: SandboxExit.Reason = .error
  ) throws -> SandboxState {
    .exited(
      SandboxExit(
        id: try #require(id), run: 1, code: code, signal: nil, reason: reason, oomKills: 0,
        startedAt: now - .seconds(ago + lasted), time: now - .seconds(ago)))
  }

  static func rows() throws -> [Row] {
    let running = try running()
    return [
      Row(testDescription: "nothing yet", memory: nil, sandbox: .absent, expected: .start(failures: 0, restarts: 0)),
      Row(testDescription: "as wanted", sandbox: running, expected: .rest(.running)),
      Row(testDescription: "never wanted", wish: wish(.stopped), memory: nil, sandbox: .absent, expected: .rest(.stopped)),
      Row(
        testDescription: "no longer wanted", wish: wish(.stopped), sandbox: running,
        expected: .stop(isKill: false, phase: .stopped)),
      Row(
        testDescription: "idle while running", wish: wish(idle: true), sandbox: running, expected: .stop(isKill: false, phase: .idle)),
      Row(
        testDescription: "idle stays idle", wish: wish(idle: true), memory: memory(endedByEngine: true), sandbox: try exited(143),
        expected: .rest(.idle)),
      Row(
        testDescription: "idle and killed", wish: wish(killed: true, idle: true), sandbox: running,
        expected: .stop(isKill: true, phase: .killed)),
      Row(testDescription: "idle and stopped", wish: wish(.stopped, idle: true), sandbox: .absent, expected: .rest(.stopped)),
      Row(
        testDescription: "woken", wish: wish(count: 2), memory: memory(endedByEngine: true), sandbox: try exited(143),
        expected: .start(failures: 0, restarts: 0)),
      Row(
        testDescription: "killed while running", wish: wish(killed: true), sandbox: running,
        expected: .stop(isKill: true, phase: .killed)),
      Row(
        testDescription: "killed stays killed", wish: wish(killed: true), memory: nil, sandbox: .absent,
        expected: .rest(.killed)),
      Row(
        testDescription: "deletion wins over a kill", wish: wish(killed: true, deleted: true), sandbox: running,
        expected: .delete),
      Row(testDescription: "restart asked for", wish: wish(count: 2), sandbox: running, expected: .restart),
      Row(testDescription: "command changed", wish: wish(fingerprint: "b"), sandbox: running, expected: .restart),
      Row(testDescription: "another one's process", memory: nil, sandbox: running, expected: .restart),
      Row(testDescription: "done", sandbox: try exited(0, reason: .completed), expected: .rest(.stopped)),
      Row(
        testDescription: "done, run again", wish: wish(count: 2), sandbox: try exited(0, reason: .completed),
        expected: .start(failures: 0, restarts: 0)),
      Row(
        testDescription: "stopped by us, wanted again", memory: memory(endedByEngine: true), sandbox: try exited(143),
        expected: .start(failures: 0, restarts: 0)),
      Row(
        testDescription: "failed just now", sandbox: try exited(1), expected: .wait(.seconds(1), failures: 0)),
      Row(
        testDescription: "failed, delay over", sandbox: try exited(1, ago: 1),
        expected: .start(failures: 1, restarts: 1)),
      Row(
        testDescription: "failed again", memory: memory(failures: 3, restarts: 7), sandbox: try exited(1, ago: 2),
        expected: .wait(.seconds(6), failures: 3)),
      Row(
        testDescription: "failed after a long run", memory: memory(failures: 8, restarts: 8),
        sandbox: try exited(1, ago: 1, lasted: 4000), expected: .start(failures: 1, restarts: 9)),
      Row(
        testDescription: "failed, never restarts", wish: wish(restart: .never), sandbox: try exited(3),
        expected: .rest(.failed)),
      Row(
        testDescription: "always restarts", wish: wish(restart: .always), sandbox: try exited(0, ago: 1),
        expected: .start(failures: 1, restarts: 1)),
      Row(
        testDescription: "lost with the machine, also when it never restarts", wish: wish(restart: .never),
        sandbox: try exited(0, reason: .lost), expected: .start(failures: 0, restarts: 1)),
      Row(
        testDescription: "cannot start, and trying again is no use",
        memory: memory(failure: failure(isFinal: true, ago: 100)), sandbox: .absent, expected: .rest(.failed)),
      Row(
        testDescription: "cannot start, changed since", wish: wish(fingerprint: "b"),
        memory: memory(failure: failure(isFinal: true, ago: 100)), sandbox: .absent,
        expected: .start(failures: 0, restarts: 0)),
      Row(
        testDescription: "could not start, soon again",
        memory: memory(failures: 2, failure: failure(isFinal: false, ago: 1)), sandbox: .absent,
        expected: .wait(.seconds(3), failures: 2)),
      Row(
        testDescription: "could not start, again now",
        memory: memory(failures: 2, failure: failure(isFinal: false, ago: 4)), sandbox: .absent,
        expected: .start(failures: 3, restarts: 0)),
    ]
  }

  @Test func everySituationHasItsStep() throws {
    for row in try Self.rows() {
      let decision = LifecycleDecision.next(
        wish: row.wish, memory: row.memory, sandbox: row.sandbox, policy: RestartPolicy(), now: Self.now)
      #expect(decision == row.expected, "\(row.testDescription)")
    }
  }
}
