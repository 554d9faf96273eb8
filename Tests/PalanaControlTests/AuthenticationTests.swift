import NIOHTTP1
import PalanaAudit
import PalanaControl
import PalanaControlAPI
import PalanaCore
import Subprocess
import Synchronization
import Testing

@Suite struct AuthenticationTests {
  @Test func theSocketSaysWhoIsCalling() async throws {
    try await ControlWorld.run { world in
      let root = try await world.call(.whoAmI).decoded(WhoAmI.self)
      #expect(root.user.raw == "root" && root.operator && root.authentication == .peerCredentials)
      let alice = try await world.call(.whoAmI, as: .alice).decoded(WhoAmI.self)
      #expect(alice.user.raw == "alice" && !alice.operator && alice.impersonatedBy == nil)
      #expect(alice.installation == "test-1" && alice.version == "0.1.0")
    }
  }

  @Test func theTokenIsNeededOnTCP() async throws {
    try await ControlWorld.run { world in
      let good = [("authorization", "Bearer \(ControlWorld.token)")]
      let me = try await world.send("GET", world.tcpBase, "/v1/whoami", headers: good).decoded(WhoAmI.self)
      #expect(me.user.raw == "operator" && me.operator && me.authentication == .token)
      let bad: [[(String, String)]] = [
        [], [("authorization", "Bearer")], [("authorization", "Bearer ")],
        [("authorization", "Bearer \(ControlWorld.token)x")],
        [("authorization", "Bearer \(ControlWorld.token.dropLast())")],
        [("authorization", "Basic \(ControlWorld.token)")], [("authorization", ControlWorld.token)],
        [("authorization", "Bearer wrong"), good[0]], [good[0], ("authorization", "Bearer wrong")],
        [("cookie", "token=\(ControlWorld.token)")],
      ]
      for headers in bad {
        let answer = try await world.send("GET", world.tcpBase, "/v1/whoami", headers: headers)
        #expect(answer.status == 401 && answer.code == "denied", "\(headers)")
        #expect(answer.headers.first(name: "www-authenticate") == "Bearer")
      }
      // Before anybody is known, a path that exists and one that does not look the same.
      let unknown = try await world.send("GET", world.tcpBase, "/v1/nothing")
      #expect(unknown.status == 401)
      let denied = world.events.filter { $0.component == .auth && $0.decision == .deny }
      #expect(Set(denied.compactMap(\.reason)) == ["token_missing", "token_wrong"])
      #expect(denied.allSatisfy { $0.source?.ip.description == "127.0.0.1" && ($0.source?.port ?? 0) > 0 })
      #expect(!"\(world.events)".contains(ControlWorld.token))
    }
  }

  @Test(arguments: [
    ("evil.example", 403), ("evil.example:7180", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil", 403),
    ("[::1].evil", 403), ("127.0.0.1:x", 403), ("", 403), ("localhost", 200), ("LOCALHOST:7180", 200),
    ("127.0.0.1", 200), ("[::1]:7180", 200), ("palana.test", 200),
  ])
  func dnsRebindingIsRefused(host: String, status: Int) async throws {
    try await ControlWorld.run { world in
      let answer = try await RawClient.exchange(
        port: world.port,
        "GET /v1/whoami HTTP/1.1\r\nhost: \(host)\r\nauthorization: Bearer \(ControlWorld.token)\r\nconnection: close\r\n\r\n"
      )
      #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer.prefix(200))")
      if status == 403 { #expect(world.events.contains { $0.reason == "host_wrong" }) }
    }
  }

  @Test func webPagesAreRefusedEvenWithoutAHostOfTheirOwn() async throws {
    try await ControlWorld.run { world in
      let answer = try await world.send(
        "POST", world.tcpBase, "/v1/shutdown", body: Array(#"{"stopAgents":true}"#.utf8),
        headers: [
          ("origin", "https://evil.example"), ("authorization", "Bearer \(ControlWorld.token)"),
          ("content-type", "application/json"),
        ])
      #expect(answer.status == 403)
      #expect(answer.headers.first(name: "access-control-allow-origin") == nil)
      #expect(world.shutdowns.withLock { $0 }.isEmpty)
      // Forms that a page may post without asking first.
      for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let form = try await world.send(
          "POST", world.tcpBase, "/v1/shutdown", body: Array(#"{"stopAgents":true}"#.utf8),
          headers: [("authorization", "Bearer \(ControlWorld.token)"), ("content-type", type)])
        #expect(form.status == 400)
      }
      #expect(world.shutdowns.withLock { $0 }.isEmpty)
    }
  }

  @Test func onlyOperatorsImpersonateAndItIsWrittenDown() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("hers", of: .alice)
      let asAlice = [(ControlHeader.user, "alice")]
      let me = try await world.call(.whoAmI, headers: asAlice).decoded(WhoAmI.self)
      #expect(me.user.raw == "alice" && !me.operator && me.impersonatedBy?.raw == "root")
      #expect(try await world.call(.getAgent, ["name": "hers"], headers: asAlice).status == 200)
      // The rights are those of the other person, not those of the operator.
      #expect(try await world.call(.listKillOrders, headers: asAlice).status == 403)
      #expect(
        try await world.call(.kill, body: #"{"target":{"all":true},"reason":""}"#, headers: asAlice).status == 403)
      #expect(try await world.call(.stopAgent, ["name": "hers"], headers: asAlice).status == 200)
      let noted = world.events.filter { $0.component == .auth && $0.action == "impersonate" }
      #expect(noted.count >= 4)
      #expect(noted.allSatisfy { $0.actor?.raw == "root" && $0.details["actingFor"] == "alice" })

      for (person, user) in [(ControlWorld.Person.alice, "bob"), (.alice, "root"), (.bob, "operator")] {
        let answer = try await world.call(.whoAmI, as: person, headers: [(ControlHeader.user, user)])
        #expect(answer.status == 403)
      }
      #expect(world.events.contains { $0.reason == "impersonation_denied" && $0.decision == .deny })
      let own = try await world.call(.whoAmI, as: .alice, headers: [(ControlHeader.user, "alice")])
      #expect(own.status == 200)
      let twice = try await world.call(
        .whoAmI, headers: [(ControlHeader.user, "alice"), (ControlHeader.user, "bob")])
      #expect(twice.status == 400)
    }
  }

  @Test func impersonationNeedsTheAuditTrail() async throws {
    try await ControlWorld.run { world in
      world.sink.isDown.withLock { $0 = true }
      let answer = try await world.call(.whoAmI, headers: [(ControlHeader.user, "alice")])
      #expect(answer.status == 503 && answer.code == "unreachable")
      #expect(try await world.call(.whoAmI).status == 200)
    }
  }

  /// Another process, another user: the kernel's word and the socket's mode, without a double.
  @Test(.enabled(if: Authenticator.localOperators == [0]), arguments: [nil, 65_533] as [UInt32?])
  func anotherLocalUserIsWhoTheKernelSays(group: UInt32?) async throws {
    var settings = ControlWorld.Settings()
    settings.group = group
    try await ControlWorld.run(settings) { world in
      let result = try await Subprocess.run(
        .name("setpriv"),
        arguments: [
          "--reuid=65534", "--regid=65533", "--clear-groups", "curl", "-s", "-w", "%{http_code}", "--unix-socket",
          world.socket(.root), "http://palana/v1/whoami",
        ], output: .string(limit: 4096), error: .discarded)
      if group == nil {
        #expect(result.standardOutput == "000")
      } else {
        #expect(result.standardOutput.hasSuffix("200"))
        #expect(result.standardOutput.contains(#""user":"user-65534""#))
        #expect(result.standardOutput.contains(#""operator":false"#))
      }
    }
  }

  @Test func failuresAreWrittenDownWithinABudget() async throws {
    var settings = ControlWorld.Settings()
    settings.limits.authenticationNotes = 3
    try await ControlWorld.run(settings) { world in
      for _ in 0..<10 {
        let answer = try await world.send("GET", world.tcpBase, "/v1/whoami")
        #expect(answer.status == 401)
      }
      #expect(world.events.filter { $0.component == .auth }.count == 3)
    }
  }

  @Test(arguments: [
    ("0.0.0.0", false), ("10.0.0.5", false), ("::", false), ("127.0.0.1", true), ("127.9.9.9", true), ("::1", true),
  ])
  func onlyLoopbackUnlessMeant(address: String, isFine: Bool) throws {
    func configuration(_ allowsRemote: Bool, token: String = ControlWorld.token) throws -> ControlConfiguration {
      ControlConfiguration(
        socket: .init(path: "/tmp/x.sock"),
        tcp: .init(
          address: try #require(IPAddress(address)), port: 7180, token: Redacted(token),
          identity: try UserIdentity("o"), allowsRemote: allowsRemote), installation: "i", version: "v")
    }
    try configuration(true).check()
    if isFine {
      try configuration(false).check()
    } else {
      #expect(throws: PalanaError.self) { try configuration(false).check() }
    }
    #expect(throws: PalanaError.self) { try configuration(true, token: "short").check() }
  }
}
