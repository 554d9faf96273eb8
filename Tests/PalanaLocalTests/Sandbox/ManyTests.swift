import PalanaCore
import PalanaPlan
import Testing

@testable import PalanaLocal

extension SandboxSuites {
  /// After the others: it takes the whole machine.
  @Suite("many at once", .serialized)
  struct Many {
    /// 200 on demand (it is also how the numbers in the documentation were measured), 24 otherwise.
    static let count = Int(ProcessEnvironment.value("PALANA_TEST_SANDBOXES") ?? "") ?? 24

    @Test("start, see, kill and remove many sandboxes in parallel")
    func many() async throws {
      try await SandboxFixture.run { fixture in
        let clock = ContinuousClock()
        let plans = try (0..<Self.count).map {
          try fixture.plan(["/bin/sh", "-c", "echo up; exec sleep 600"], name: "many-\($0)")
        }
        let namespaces = try plans.map { _ in try fixture.networkNamespace() }
        func each(_ body: @escaping @Sendable (Int) async throws -> Void) async throws -> Duration {
          try await clock.measure {
            try await withThrowingTaskGroup(of: Void.self) { group in
              for index in plans.indices { group.addTask { try await body(index) } }
              try await group.waitForAll()
            }
          }
        }
        let first = try await each { try await fixture.start(plans[$0], netns: namespaces[$0]) }
        let up = try await each { try await fixture.wait(for: "up", in: plans[$0].id) }
        #expect(
          fixture.runtime.list().values.filter { if case .running = $0 { true } else { false } }.count == Self.count)
        let memory = Self.shimMemory(fixture)
        let killed = try await clock.measure { try await fixture.runtime.killProcesses(of: Set(plans.map(\.id))) }
        let gone = try await each { _ = try await fixture.runtime.awaitExit(of: plans[$0].id) }
        let second = try await each { try await fixture.start(plans[$0], netns: namespaces[$0]) }
        let stopped = try await each { _ = try await fixture.runtime.kill(plans[$0].id) }
        let removed = try await each { try await fixture.runtime.remove(plans[$0].id, purge: true) }
        #expect(fixture.runtime.list().isEmpty)
        print(
          "\(Self.count) sandboxes: first start with new storage \(first), output \(up), kill \(killed), clean-up \(gone), "
            + "start again \(second), kill with clean-up \(stopped), remove \(removed); shim \(memory) KiB resident")
      }
    }

    private static func shimMemory(_ fixture: SandboxFixture) -> Int {
      let sizes = fixture.runtime.list().values.compactMap { state -> Int? in
        guard case .running(let running) = state, let status = Files.read("/proc/\(running.shim)/smaps_rollup") else {
          return nil
        }
        return String(decoding: status, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("Pss:") }
          .flatMap { Int($0.filter(\.isNumber)) }
      }
      return sizes.isEmpty ? 0 : sizes.reduce(0, +) / sizes.count
    }

    @Test("time to the first instruction")
    func latency() async throws {
      try await SandboxFixture.run { fixture in
        let clock = ContinuousClock()
        let netns = try fixture.networkNamespace()
        var times: [Duration] = []
        for _ in 0..<11 {
          let plan = try fixture.plan(["/bin/true"])
          times.append(try await clock.measure { try await fixture.start(plan, netns: netns) })
          _ = try await fixture.runtime.awaitExit(of: plan.id)
        }
        print("start returned after \(times.dropFirst().sorted()[5]) (p50), the first with new storage \(times[0])")
      }
    }
  }
}
