import Logging
import PalanaCore
import PalanaSecrets
import Synchronization
import Testing

@Suite struct VaultClientTests {
  private static let canary = "canary-5b7e19"

  private static func path() throws -> KVPath { try .installation("some") }

  @Test(arguments: [
    (403 as UInt, PalanaError.Code.denied), (404, .notFound), (400, .failed), (429, .unreachable), (472, .unreachable),
    (500, .unreachable), (503, .unreachable), (302, .failed), (418, .failed),
  ])
  func aStatusIsAnErrorThatQuotesNothing(status: UInt, code: PalanaError.Code) async throws {
    try await ScriptedServer.with(
      script: { _ in
        .answer(
          status, "{\"errors\":[\"\(Self.canary)\"]}", headers: [("location", "http://evil.example/\(Self.canary)")])
      },
      body: { server, vault in
        let client = VaultClient(server: vault, tokens: .fixed(Redacted(Self.canary)))
        let path = try Self.path()
        for error in [
          await failure { _ = try await client.read(path) },
          await failure { try await client.write(path, ["k": Redacted(Self.canary)], cas: 0) },
        ] {
          #expect(error?.code == code)
          #expect(error.map { !"\($0) \(String(reflecting: $0))".contains("canary") } == true)
        }
        #expect(server.requests.allSatisfy { $0.token == Self.canary })
      })
  }

  @Test func aLostRaceIsAConflict() async throws {
    let text = #"{"errors":["check-and-set parameter did not match the current version"]}"#
    try await ScriptedServer.with(
      script: { _ in .answer(400, text) },
      body: { _, vault in
        let client = VaultClient(server: vault, tokens: .none)
        let path = try Self.path()
        #expect(await failure { try await client.write(path, ["k": Redacted("v")], cas: 1) }?.code == .conflict)
      })
  }

  @Test(arguments: [
    "", "not json \(canary)", #"{"data":{"data":{"k":7},"metadata":{"version":1}}}"#,
    #"{"data":{"data":{"k":"\#(canary)""#,
    #"{"data":{"data":{"k":"\#(canary)"},"metadata":{"version":"\#(canary)"}}}"#,
  ])
  func aStrangeAnswerIsAnErrorThatQuotesNothing(body: String) async throws {
    try await ScriptedServer.with(
      script: { _ in .answer(200, body) },
      body: { _, vault in
        let client = VaultClient(server: vault, tokens: .none)
        let path = try Self.path()
        let error = await failure { _ = try await client.read(path) }
        #expect(error?.code == .failed)
        #expect(error.map { !"\($0)".contains("canary") } == true)
      })
  }

  @Test func anAnswerOverTheBoundIsRefused() async throws {
    let large = String(repeating: "x", count: (1 << 20) + 1)
    try await ScriptedServer.with(
      script: { _ in .answer(200, large) },
      body: { _, vault in
        let client = VaultClient(server: vault, tokens: .none)
        let path = try Self.path()
        #expect(await failure { _ = try await client.read(path) }?.code == .failed)
      })
  }

  @Test func readsAreTriedAgainAndWritesAreNot() async throws {
    for reply in [ScriptedServer.Reply.silence, .trickle, .hangUp] {
      try await ScriptedServer.with(
        timeout: .seconds(1), script: { _ in reply },
        body: { server, vault in
          let client = VaultClient(server: vault, tokens: .none)
          let path = try Self.path()
          #expect(await failure { _ = try await client.read(path) }?.code == .unreachable)
          #expect(server.requests.count == 3)
          #expect(await failure { try await client.write(path, ["k": Redacted("v")], cas: 0) }?.code == .unreachable)
          #expect(server.requests.count == 4)
          #expect(await failure { try await client.delete(path) }?.code == .unreachable)
          #expect(server.requests.count == 5)
        })
    }
  }

  /// An error in the initialiser of whoever holds it must not become a crash of the client inside.
  @Test func aServerThatWasNeverClosedIsFine() throws {
    for _ in 0..<3 { _ = try VaultServer(address: .socket("/tmp/secrets-test-none.sock")) }
  }

  @Test func aStoreThatIsNotThereIsUnreachable() async throws {
    let vault = try VaultServer(address: .socket("/tmp/secrets-test-none.sock"))
    let path = try Self.path()
    #expect(await failure { _ = try await VaultClient(server: vault, tokens: .none).read(path) }?.code == .unreachable)
    await vault.close()
  }

  @Test func valuesGoOutAsTheyAreAndComeBackWrapped() async throws {
    let value = "a\"b\\c\u{1F511}/\n"
    try await ScriptedServer.with(
      script: { request in
        #expect(request.path == "/v1/kv/data/installation/some")
        return request.method == "GET"
          ? .answer(200, #"{"data":{"data":{"k":"a\"b\\c\ud83d\udd11/\n"},"metadata":{"version":4}}}"#)
          : .answer(200, #"{"data":{"version":5}}"#)
      },
      body: { server, vault in
        let client = VaultClient(server: vault, tokens: .none)
        let path = try Self.path()
        let secret = try await client.read(path)
        #expect(secret.values["k"]?.reveal() == value)
        #expect(!"\(secret)".contains("🔑"))
        #expect(try await client.write(path, secret.values, cas: secret.version) == 5)
        #expect(server.requests.last?.body.contains(#""cas":4"#) == true)
      })
  }
}

@Suite struct VaultSessionTests {
  /// Logins give the tokens `t1`, `t2`, …; `valid` says which one the store knows.
  private final class Logins: Sendable {
    let state = Mutex((logins: 0, renewals: 0, valid: "t1"))

    func reply(_ request: ScriptedServer.Request) -> ScriptedServer.Reply {
      state.withLock { state in
        if request.path == "/v1/auth/approle/login" {
          guard request.body.contains("secret-1") else { return .answer(400, "{}") }
          state.logins += 1
          state.valid = "t\(state.logins)"
          return .answer(200, Self.auth(state.valid))
        }
        guard request.token == state.valid else { return .answer(403, #"{"errors":["permission denied"]}"#) }
        if request.path == "/v1/auth/token/renew-self" {
          state.renewals += 1
          return .answer(200, Self.auth(state.valid))
        }
        return .answer(200, #"{"data":{"data":{"k":"v"},"metadata":{"version":1}}}"#)
      }
    }

    static func auth(_ token: String) -> String {
      #"{"auth":{"client_token":"\#(token)","lease_duration":100,"renewable":true}}"#
    }
  }

  private func withSession(
    secret: String = "secret-1", clock: any Clock<Duration> = ContinuousClock(),
    _ body: (VaultSession, VaultClient, Logins) async throws -> Void
  ) async throws {
    let logins = Logins()
    let file = "/tmp/secrets-test-\(RandomToken.hex(bytes: 6)).json"
    try await SecretFile.write(
      AppRoleCredential(roleID: Redacted("role-1"), secretID: Redacted(secret)).fileContent(), to: file)
    try await ScriptedServer.with(
      script: { logins.reply($0) },
      body: { _, vault in
        let session = VaultSession(
          server: vault, credential: .appRole(file: file), clock: clock,
          logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        try await body(session, VaultClient(server: vault, tokens: .session(session)), logins)
      })
    try await SecretFile.remove(file)
  }

  @Test func logsInOnceForMany() async throws {
    try await withSession { session, _, logins in
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<20 { group.addTask { _ = try? await session.token() } }
      }
      #expect(logins.state.withLock { $0.logins } == 1)
    }
  }

  @Test func aLostTokenIsReplacedWithinTheRequest() async throws {
    try await withSession { session, client, logins in
      _ = try await session.token()
      logins.state.withLock { $0.valid = "gone" }
      let path = try KVPath.installation("some")
      #expect(try await client.read(path).values["k"]?.reveal() == "v")
      #expect(logins.state.withLock { $0.logins } == 2)
    }
  }

  @Test func aWrongCredentialIsDenied() async throws {
    try await withSession(secret: "wrong") { session, client, _ in
      let path = try KVPath.installation("some")
      #expect(await failure { _ = try await client.read(path) }?.code == .denied)
    }
  }

  @Test func renewsAtHalfLifeAndLogsInAgainWhenTheTokenIsLost() async throws {
    let clock = InstantClock(limit: 3)
    try await withSession(clock: clock) { session, _, logins in
      // Three sleeps: after the login, after the renewal, and once more; then the clock ends the loop.
      try await session.run()
      #expect(clock.sleeps == [.seconds(50), .seconds(50), .seconds(50)])
      #expect(logins.state.withLock { $0.renewals } == 3)
      logins.state.withLock { $0.valid = "gone" }
      _ = try await session.isLost(session.token())
      _ = try await session.token()
      #expect(logins.state.withLock { $0.logins } == 2)
    }
  }

  @Test func troubleIsTriedAgainWithGrowingPauses() async throws {
    let clock = InstantClock(limit: 10)
    try await withSession(secret: "wrong", clock: clock) { session, _, _ in
      try await session.run()
      #expect(clock.sleeps.first == .milliseconds(500))
      #expect(clock.sleeps.last == .seconds(30))
    }
  }
}
