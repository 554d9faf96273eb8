import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress
@testable import PalanaEnvoy

/// The real Envoy: what changes while requests are under way, and what it cannot do.
@Suite("Envoy egress: change and limits", .timeLimit(.minutes(10)), .enabled(if: EnvoyFixture.isInstalled))
struct EnvoyChangeTests {
  private static let bearer = "authorization: Bearer \(EnvoyFixture.placeholder)"

  // MARK: Change

  @Test func aRotationHoldsOnAnOpenConnection() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/old", Self.bearer))
        #expect(try await wire.response()?.status == 200)
        fixture.secrets.set("token", "the-next-value-of-it")
        var options = EnvoyFixture.Options()
        options.revision = 2
        await fixture.plane.apply(try fixture.snapshot(2, options))
        try await wire.send(fixture.request("/new", Self.bearer))
        #expect(try await wire.response()?.status == 200)
      }
      #expect(upstream.requests.first?.contains(EnvoyFixture.canary) == true)
      #expect(upstream.requests.last?.contains("Bearer the-next-value-of-it\r\n") == true)
    }
  }

  @Test func aStreamWithASecretEndsWhenTheSecretIsTakenAway() async throws {
    var options = EnvoyFixture.Options()
    options.script = EnvoyContainmentTests.endless
    try await EnvoyFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/stream", Self.bearer))
        _ = try await wire.head()
        _ = try await wire.some()
        var options = EnvoyFixture.Options()
        options.bindsA = false
        await fixture.plane.apply(try fixture.snapshot(2, options))
        while try await wire.some() != nil {}
      }
      let event = await fixture.sink.events(1).first
      #expect(event?.decision == .error)
      #expect(event?.secrets == ["GITHUB_PAT"])
      // Without it the placeholder does not travel.
      #expect(try await fixture.ask(fixture.request("/", Self.bearer))?.status == 403)
    }
  }

  @Test func anotherPasswordEndsWhatIsOpen() async throws {
    var options = EnvoyFixture.Options()
    options.script = EnvoyContainmentTests.endless
    try await EnvoyFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/stream"))
        _ = try await wire.head()
        await fixture.plane.apply(try fixture.snapshot(2, tokenA: "another-token"))
        while try await wire.some() != nil {}
      }
      #expect(await fixture.sink.events(1).first?.reason == "agent_changed")
    }
  }

  // MARK: Limits

  @Test func connectionsBeyondTheLimitAreClosedAndNobodyElses() async throws {
    var options = EnvoyFixture.Options()
    options.limits.connectionsPerAgent = 2
    try await EnvoyFixture.run(options) { fixture, _ in
      let full = Gate()
      let done = Gate()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<2 {
          group.addTask {
            try await fixture.tunnel { wire in
              try await wire.send(fixture.request("/"))
              _ = try await wire.response()
              await full.pass()
              await done.pass()
            }
          }
        }
        #expect(await fixture.eventually { full.arrivals == 2 })
        full.open()
        let third = try? await fixture.client { wire in
          try await wire.send(fixture.connect("allowed.test"))
          return try await wire.head()
        }
        #expect((third ?? nil) == nil)
        let other = try await fixture.tunnel("allowed.test", from: "127.0.1.2", token: EnvoyFixture.tokenB) { wire in
          try await wire.send(fixture.request("/"))
          return try await wire.response()
        }
        #expect(other?.status == 200)
        done.open()
        try await group.waitForAll()
      }
      // Their places are free again.
      #expect(await fixture.eventually { (try? await fixture.ask(fixture.request("/")))??.status == 200 })
    }
  }

  /// Five seconds' worth at once are five connections; how many more come in depends on how long the attempts take.
  @Test func newConnectionsAreBoundedForEachAgent() async throws {
    var options = EnvoyFixture.Options()
    options.limits.newConnectionsPerSecond = 1
    try await EnvoyFixture.run(options) { fixture, _ in
      func connects(_ source: String, _ token: String) async throws -> Bool {
        let head = try? await fixture.client(from: source) { wire in
          try await wire.send(fixture.connect("allowed.test", token: token))
          return try await wire.head()
        }
        return (head ?? nil) != nil
      }
      var refused = false
      for attempt in 0..<2_000 where !refused {
        refused = try await !connects("127.0.1.1", EnvoyFixture.tokenA)
        #expect(!refused || attempt >= 5)
      }
      #expect(refused)
      #expect(try await connects("127.0.1.2", EnvoyFixture.tokenB))
      // The bucket fills again.
      #expect(await fixture.eventually { (try? await connects("127.0.1.1", EnvoyFixture.tokenA)) == true })
    }
  }

  @Test func requestsInFlightAreBounded() async throws {
    var options = EnvoyFixture.Options()
    options.limits.requestsInFlight = 1
    options.script = EnvoyContainmentTests.endless
    try await EnvoyFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/stream"))
        _ = try await wire.head()
        let second = try await fixture.ask(fixture.request("/"))
        #expect(second?.status == 429)
        #expect(second?.reason == "limit_exceeded")
      }
    }
  }

  @Test func aBodyOfUnknownLengthIsRefusedWhereBodiesHaveALimit() async throws {
    var options = EnvoyFixture.Options()
    options.limits.requestBodyBytes = 8
    try await EnvoyFixture.run(options) { fixture, upstream in
      let cases = [
        (fixture.request("/", method: "POST", "content-length: 2") + "hi", 200, nil),
        (fixture.request("/", method: "POST", "content-length: 9") + "123456789", 413, "body_too_large"),
        (fixture.request("/", method: "POST", "transfer-encoding: chunked") + "2\r\nhi\r\n0\r\n\r\n", 403, "not_on_this_data_plane"),
      ]
      for (text, status, reason) in cases {
        let answer = try await fixture.ask(text)
        #expect(answer?.status == status, "\(text)")
        #expect(answer?.reason == reason, "\(text)")
      }
      #expect(upstream.requests.count == 1)
    }
  }

  // MARK: What it cannot do

  @Test func answersOfTokenEndpointsAreRefused() async throws {
    var options = EnvoyFixture.Options()
    options.tokenDestinations = [BoundDestination(host: try HostPattern.parse("other.test"), port: 443)]
    try await EnvoyFixture.run(options) { fixture, upstream in
      let answer = try await fixture.ask(fixture.request("/token", method: "POST", Self.bearer, "content-length: 0"))
      #expect(answer?.status == 403)
      #expect(answer?.reason == "not_on_this_data_plane")
      // Without the secret it is a request like others.
      #expect(try await fixture.ask(fixture.request("/token", method: "POST", "content-length: 0"))?.status == 200)
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func websocketsPassAndSecretsInTheirFramesAreRefused() async throws {
    let upgrade = [
      "connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    let lines = upgrade.map { $0 + "\r\n" }.joined()
    for (places, status) in [([.header("authorization")], 101), ([.websocket], 403)] as [(Set<PlaceholderBinding.Place>, Int)] {
      var options = EnvoyFixture.Options()
      options.places = places
      options.script = { wire, upstream in
        guard let head = try await wire.head() else { return }
        upstream.note(head)
        try await wire.send(
          "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        while let frame = try await wire.some() { try await wire.send(frame) }
      }
      try await EnvoyFixture.run(options) { fixture, _ in
        try await fixture.tunnel { wire in
          try await wire.send("GET /chat HTTP/1.1\r\nhost: allowed.test:\(fixture.upstreamPort)\r\n\(lines)\r\n")
          guard status == 101 else {
            let answer = try await wire.response()
            #expect(answer?.reason == "not_on_this_data_plane", "\(answer?.head ?? "closed")")
            return
          }
          #expect(try await wire.head()?.hasPrefix("HTTP/1.1 101 ") == true)
          try await wire.send([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
          #expect(try await wire.bytes(8) == [0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
        }
        #expect(await fixture.sink.events(1).first?.decision == (status == 101 ? .allow : .deny))
      }
    }
  }

  @Test func fetchesOfGitPassAndPushesAreRefused() async throws {
    var options = EnvoyFixture.Options()
    options.git = [GitRule(repo: "acme/*", push: true)]
    try await EnvoyFixture.run(options) { fixture, upstream in
      func post(_ service: String) -> String {
        fixture.request(
          "/acme/tool.git/git-\(service)", method: "POST", "content-type: application/x-git-\(service)-request", "content-length: 4")
          + "0000"
      }
      let cases = [
        (fixture.request("/acme/tool.git/info/refs?service=git-upload-pack"), 200, nil),
        (fixture.request("/acme/tool.git/info/refs?service=git-receive-pack"), 200, nil),
        (post("upload-pack"), 200, nil), (post("receive-pack"), 403, "not_on_this_data_plane"),
        (fixture.request("/other/tool.git/info/refs?service=git-upload-pack"), 403, "git_not_allowed"),
      ]
      for (text, status, reason) in cases {
        let answer = try await fixture.ask(text)
        #expect(answer?.status == status, "\(text)\(answer?.body ?? "closed")")
        #expect(answer?.reason == reason, "\(text)")
      }
      #expect(upstream.requests.count == 3)
    }
  }
}
