import Logging
import PalanaCore
import PalanaSecrets
import Synchronization
import Testing

/// Logins with the token of a service account, against a server that answers as Vault does. The real one is in PalanaOperatorTests.
@Suite struct KubernetesSessionTests {
  private final class Store: Sendable {
    let state = Mutex((logins: [String](), renewals: 0, life: 100))

    func reply(_ request: ScriptedServer.Request) -> ScriptedServer.Reply {
      state.withLock { state in
        if request.path == "/v1/auth/k8s-1/login" {
          state.logins.append(request.body)
          state.life = 100
          return request.body.contains("refused") ? .answer(403, "{}") : .answer(200, Self.auth("t\(state.logins.count)", 100))
        }
        if request.path == "/v1/auth/token/renew-self" {
          state.renewals += 1
          // Its end, which no renewal puts off, comes nearer.
          state.life -= 30
          return .answer(200, Self.auth(request.token ?? "", state.life))
        }
        guard request.token == "t\(state.logins.count)" else { return .answer(403, "{}") }
        return .answer(200, #"{"data":{"data":{"k":"v"},"metadata":{"version":1}}}"#)
      }
    }

    static func auth(_ token: String, _ life: Int) -> String {
      #"{"auth":{"client_token":"\#(token)","lease_duration":\#(life),"renewable":true}}"#
    }
  }

  private func withSession(
    _ token: String = "one.two.three", clock: any Clock<Duration> = ContinuousClock(),
    _ body: (VaultSession, VaultClient, Store, String) async throws -> Void
  ) async throws {
    let store = Store()
    let file = "/tmp/secrets-test-\(RandomToken.hex(bytes: 6)).token"
    try await SecretFile.write(Redacted(Array(token.utf8)), to: file)
    try await ScriptedServer.with(
      script: { store.reply($0) },
      body: { _, vault in
        let session = VaultSession(
          server: vault, credential: .kubernetes(try KubernetesLogin(role: "palana-gateway", mount: "k8s-1", tokenFile: file)),
          clock: clock,
          logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        try await body(session, VaultClient(server: vault, tokens: .session(session)), store, file)
      })
    try await SecretFile.remove(file)
  }

  @Test func theFileIsReadAtEachLogin() async throws {
    try await withSession("first.of.all\n") { session, client, store, file in
      let path = try KVPath.installation("some")
      #expect(try await client.read(path).values["k"]?.reveal() == "v")
      // The kubelet wrote a new token, and the store forgot ours.
      try await SecretFile.write(Redacted(Array("second.of.all".utf8)), to: file)
      store.state.withLock { $0.logins.append("somebody else’s") }
      #expect(try await client.read(path).values["k"]?.reveal() == "v")
      let logins = store.state.withLock { $0.logins }
      #expect(logins.first.map { $0.contains("\"first.of.all\"") && $0.contains("\"palana-gateway\"") } == true)
      #expect(logins.last?.contains("\"second.of.all\"") == true && logins.count == 3)
    }
  }

  @Test func renewalsThatGiveLessEndInALogin() async throws {
    let clock = InstantClock(limit: 4)
    try await withSession(clock: clock) { session, _, store, _ in
      try? await session.run()
      // 100 at the login, 70 renewed, 40 would be the next: less than half, so another login.
      #expect(store.state.withLock { $0.logins.count } == 3)
      #expect(clock.sleeps == [.seconds(50), .seconds(35), .seconds(50), .seconds(35)])
    }
  }

  @Test func whoIsNotAcceptedIsDenied() async throws {
    try await withSession("refused") { session, _, _, file in
      let error = await failure { _ = try await session.token() }
      #expect(error?.code == .denied)
      #expect(error?.message.contains(file) == true && error?.message.contains("palana-gateway") == true)
    }
    let missing = try KubernetesLogin(role: "r", tokenFile: "/nonexistent/token")
    try await ScriptedServer.with(
      script: { _ in .answer(200, "{}") },
      body: { server, vault in
        let session = VaultSession(server: vault, credential: .kubernetes(missing), logger: Logger(label: "test"))
        #expect(await failure { _ = try await session.token() }?.code == .notFound)
        #expect(server.requests.isEmpty)
      })
  }

  @Test(arguments: ["", "a/b", "../sys", "a b", "ü", ".x", "a%2f", String(repeating: "a", count: 129)])
  func aRoleOrMountThatIsNoNameIsRefused(name: String) {
    #expect(throws: PalanaError.self) { try KubernetesLogin(role: name) }
    #expect(throws: PalanaError.self) { try KubernetesLogin(role: "r", mount: name) }
  }
}
