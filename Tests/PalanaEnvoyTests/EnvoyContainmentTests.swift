import Glibc
import PalanaAudit
import PalanaCore
import PalanaPolicy
import Synchronization
import Testing

@testable import PalanaEgress
@testable import PalanaEnvoy

/// The real Envoy: kill, change of policy, planes that are down.
@Suite("Envoy egress: containment", .timeLimit(.minutes(10)), .enabled(if: EnvoyFixture.isInstalled))
struct EnvoyContainmentTests {
  /// Sends a head and then a byte at a time, for as long as somebody reads.
  static let endless: Upstream.Script = { wire, upstream in
    guard let head = try await wire.head() else { return }
    upstream.note(head)
    try await wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while true {
      try await wire.send("1\r\nx\r\n")
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  @Test func aKillEndsWhatIsOpenAndNothingElse() async throws {
    var options = EnvoyFixture.Options()
    options.script = Self.endless
    try await EnvoyFixture.run(options) { fixture, _ in
      let endOfB = Gate()
      try await withThrowingTaskGroup(of: String.self) { group in
        let open = Gate()
        group.addTask {
          try await fixture.tunnel("allowed.test", from: "127.0.1.2", token: EnvoyFixture.tokenB) { wire in
            try await wire.send(fixture.request("/b"))
            _ = try await wire.head()
            await open.pass()
            // Goes on reading after the kill of A.
            for _ in 0..<50 { guard try await wire.some() != nil else { return "b was cut" } }
            await endOfB.pass()
            return try await wire.some() == nil ? "b was cut" : "b goes on"
          }
        }
        group.addTask {
          try await fixture.tunnel { wire in
            try await wire.send(fixture.request("/stream"))
            _ = try await wire.head()
            await open.pass()
            while try await wire.some() != nil {}
            return "stream ended"
          }
        }
        group.addTask {
          try await fixture.client { wire in
            try await wire.send(fixture.connect("allowed.test"))
            _ = try await wire.head()
            await open.pass()
            while try await wire.some() != nil {}
            return "tunnel ended"
          }
        }
        group.addTask {
          try await fixture.client { wire in
            await open.pass()
            while try await wire.some() != nil {}
            return "connection ended"
          }
        }
        #expect(await fixture.eventually { open.arrivals == 4 })
        open.open()
        await fixture.plane.apply(try fixture.snapshot(2, killA: true))
        // What has returned holds: Envoy has taken the list without A.
        var ends: Set<String> = []
        for _ in 0..<3 { ends.insert(try #require(try await group.next())) }
        #expect(ends == ["stream ended", "tunnel ended", "connection ended"])
        endOfB.open()
        #expect(try await group.next() == "b goes on")
      }
      // Nothing new, before and after a restart of Envoy.
      let refused = try await fixture.client { wire -> Response? in
        try? await wire.send(fixture.connect("allowed.test"))
        return try await wire.response()
      }
      #expect(refused?.status == nil)
      let events = fixture.sink.events.filter { $0.agent?.name == "a" && $0.action != "connection" }
      #expect(events.map(\.reason) == ["agent_killed", "agent_killed"])
    }
  }

  @Test func aStricterPolicyEndsAStream() async throws {
    var options = EnvoyFixture.Options()
    options.script = Self.endless
    try await EnvoyFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/stream"))
        _ = try await wire.head()
        _ = try await wire.some()
        await fixture.plane.apply(try fixture.snapshot(2, allowsA: false))
        while try await wire.some() != nil {}
      }
      let event = await fixture.sink.events(1).first
      #expect(event?.decision == .error)
      #expect(event?.reason == "host_not_allowed")
      // A policy that is no stricter leaves connections alone.
      await fixture.plane.apply(try fixture.snapshot(3))
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/stream"))
        _ = try await wire.head()
        await fixture.plane.apply(try fixture.snapshot(4))
        for _ in 0..<20 { try #require(try await wire.some() != nil) }
      }
    }
  }

  @Test func anAddressWithoutAnAgentIsClosed() async throws {
    try await EnvoyFixture.run { fixture, _ in
      let answer = try? await fixture.client(from: "127.0.1.9") { wire in
        try await wire.send(fixture.connect("allowed.test"))
        return try await wire.response()
      }
      #expect((answer ?? nil)?.status == nil)
      let event = await fixture.sink.events(1).first
      #expect(event?.reason == "agent_unknown")
      #expect(event?.source?.ip.description == "127.0.1.9")
    }
  }

  @Test func withoutAuditNothingPasses() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      fixture.sink.setFails(true)
      // The first one finds out.
      for _ in 0..<2 {
        let answer = try await fixture.client { wire in
          try await wire.send(fixture.connect("evil.test"))
          return try await wire.response()
        }
        #expect(answer?.status == 403)
      }
      let answer = try await fixture.client { wire in
        try await wire.send(fixture.connect("allowed.test"))
        return try await wire.response()
      }
      #expect(answer?.status == 503)
      #expect(answer?.reason == "audit_unavailable")
      #expect(upstream.connections == 0)
    }
  }

  @Test func secretsThatCannotBeHadAreNotLeftOut() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      fixture.secrets.state.withLock { $0.isDown = true }
      let answer = try await fixture.ask(fixture.request("/", "authorization: Bearer \(EnvoyFixture.placeholder)"))
      #expect(answer?.status == 503)
      #expect(answer?.reason == "secret_unavailable")
      #expect(upstream.requests.isEmpty)
    }
  }

  @Test func envoyIsStartedAgainAndHoldsNoMoreRights() async throws {
    try await EnvoyFixture.run { fixture, _ in
      let first = try #require(fixture.process())
      let users = try EnvoyFixture.status(first, "Uid:")
      #expect(users == Array(repeating: "\(EnvoyConfiguration.unprivileged)", count: 4))
      let (capabilities, noNew) = (try EnvoyFixture.status(first, "CapEff:"), try EnvoyFixture.status(first, "NoNewPrivs:"))
      #expect(capabilities == ["0000000000000000"] && noNew == ["1"])
      kill(first, SIGKILL)
      #expect(await fixture.eventually { fixture.process().map { $0 != first } ?? false })
      #expect(await fixture.eventually { fixture.plane.boundAddress != nil })
      #expect(try await fixture.ask(fixture.request("/"))?.status == 200)
    }
  }

  @Test func nothingOfItHoldsASecret() async throws {
    try await EnvoyFixture.run { fixture, _ in
      _ = try await fixture.ask(fixture.request("/", "authorization: Bearer \(EnvoyFixture.placeholder)"))
      let process = try #require(fixture.process())
      let files = [fixture.configuration.bootstrapFile, fixture.configuration.rootsFile]
      for file in ["/proc/\(process)/cmdline", "/proc/\(process)/environ"] + files {
        let text = try EnvoyFixture.text(file)
        #expect(!text.contains(EnvoyFixture.canary) && !text.contains("PRIVATE KEY") && !text.contains(EnvoyFixture.tokenA))
      }
      var status = stat()
      #expect(unsafe stat(fixture.configuration.controlSocket, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
      #expect(status.st_uid == EnvoyConfiguration.unprivileged)
    }
  }
}
