import PalanaAPI
import PalanaCore
import Synchronization
import Testing

@testable import PalanaSecrets

@Suite struct MintingSecretSourceTests {
  let endpoint = FakeEndpoint()
  let time = ManualTime()
  let records = Records()
  let values = Values()

  final class Records: Sendable {
    private let state = Mutex((all: [MintingSecretSource.Record](), isDown: false))
    var all: [MintingSecretSource.Record] { state.withLock { $0.all } }
    func breakDown() { state.withLock { $0.isDown = true } }
    func add(_ record: MintingSecretSource.Record) throws(PalanaError) {
      let isDown = state.withLock { state in
        state.all.append(record)
        return state.isDown
      }
      if isDown { throw PalanaError(.unreachable, "audit down") }
    }
  }

  /// What is stored of the secret; nil: nothing.
  final class Values: Sendable {
    private let state = Mutex<[String: String]?>([
      "token_url": "https://auth.test/token", "client_id": "id", "client_secret": "s3cr3t",
    ])
    func set(_ values: [String: String]?) { state.withLock { $0 = values } }
    func read() throws(PalanaError) -> [String: Redacted<String>] {
      guard let values = state.withLock({ $0 }) else { throw PalanaError(.notFound, "nothing") }
      return values.mapValues { Redacted($0) }
    }
  }

  private func source(limit: Int = 10_000) -> MintingSecretSource {
    let stored = CachingSecretSource(clock: time.clock) { [values] _ async throws(PalanaError) in try values.read() }
    return MintingSecretSource(
      stored: stored, transport: endpoint, clock: time.clock, limit: limit
    ) { [records] record throws(PalanaError) in try records.add(record) }
  }

  private func ref(_ secret: String = "PARTNER", agent: String = "demo") throws -> SecretRef {
    var ref = try Names.ref(secret, agent: agent)
    ref.minting = .oauthClient
    return ref
  }

  private func value(_ source: MintingSecretSource, revision: Int = 1) async throws -> String {
    try await source.value(of: ref(), revision: revision).reveal()
  }

  // MARK: Life

  @Test func aTokenIsKeptForItsLifeAndReplacedBeforeItEnds() async throws {
    let source = source()
    #expect(source.cachedValue(of: try ref(), revision: 1) == nil)
    #expect(try await value(source) == "token-1")
    #expect(source.cachedValue(of: try ref(), revision: 1)?.reveal() == "token-1")
    time.advance(by: .seconds(3000))
    #expect(try await value(source) == "token-1")
    // The last five minutes are for replacing it.
    time.advance(by: .seconds(301))
    #expect(source.cachedValue(of: try ref(), revision: 1) == nil)
    #expect(try await value(source) == "token-2")
    #expect(endpoint.requests.count == 2)
    #expect(records.all.count == 2)
  }

  @Test func aTokenThatHoldsIsUsedWhileTheEndpointFails() async throws {
    let source = source()
    #expect(try await value(source) == "token-1")
    endpoint.fails(PalanaError(.unreachable, "down"))
    time.advance(by: .seconds(3400))
    #expect(try await value(source) == "token-1")
    // It is left alone for a second.
    #expect(try await value(source) == "token-1")
    #expect(endpoint.requests.count == 2)
    time.advance(by: .seconds(200))
    let error = await failure { _ = try await value(source) }
    #expect(error?.code == .unreachable)
  }

  @Test func pausesGrowAndEnd() async throws {
    let source = source()
    endpoint.answers(503, "")
    var asked = 0
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
      #expect(await failure { _ = try await value(source) }?.code == .unreachable)
      asked += 1
      #expect(endpoint.requests.count == asked)
      time.advance(by: .seconds(pause) - .milliseconds(1))
      #expect(await failure { _ = try await value(source) }?.code == .unreachable)
      #expect(endpoint.requests.count == asked, "within \(pause) seconds nobody asks")
      time.advance(by: .milliseconds(1))
    }
    // New parameters are tried at once.
    endpoint.answers { .success((200, #"{"access_token":"t\#($0)","token_type":"bearer"}"#)) }
    #expect(try await value(source, revision: 2) == "t9")
  }

  @Test(arguments: [
    (#"{"access_token":"t","token_type":"bearer"}"#, 300), (#"{"access_token":"t","token_type":"BEARER","expires_in":60}"#, 60),
    (#"{"access_token":"t","token_type":"bearer","expires_in":"120"}"#, 120),
    (#"{"access_token":"t","token_type":"bearer","expires_in":1e300}"#, 3600),
    (#"{"access_token":"t","token_type":"bearer","expires_in":999999999999}"#, 3600),
    (#"{"access_token":"t","token_type":"bearer","expires_in":90.5}"#, 90),
  ])
  func lives(body: String, seconds: Int64) async throws {
    let source = source()
    endpoint.answers(200, body)
    #expect(try await value(source) == "t")
    guard case .success(let life)? = records.all.first?.result else {
      Issue.record("no token")
      return
    }
    #expect(life == .seconds(seconds))
    time.advance(by: .seconds(seconds) - min(.seconds(seconds) / 10, .seconds(300)))
    #expect(source.cachedValue(of: try ref(), revision: 1) == nil)
  }

  @Test(arguments: [
    (200, ""), (200, "{}"), (200, "[]"), (200, "null"), (200, #"{"access_token":"t"}"#),
    (200, #"{"access_token":"t","token_type":"mac","expires_in":60}"#),
    (200, #"{"access_token":"","token_type":"bearer"}"#), (200, #"{"access_token":"a b","token_type":"bearer"}"#),
    (200, #"{"access_token":"a\r\nx: y","token_type":"bearer"}"#), (200, #"{"access_token":1,"token_type":"bearer"}"#),
    (200, #"{"access_token":"t","token_type":"bearer","expires_in":0}"#),
    (200, #"{"access_token":"t","token_type":"bearer","expires_in":-5}"#),
    (200, #"{"access_token":"t","token_type":"bearer","expires_in":"soon"}"#),
    (302, ""), (400, #"{"error":"invalid_client","note":"s3cr3t"}"#), (401, ""), (404, ""), (418, ""), (429, ""), (500, ""),
  ])
  func whatIsNoToken(status: Int, body: String) async throws {
    let source = source()
    endpoint.answers(status, body)
    let error = await failure { _ = try await value(source) }
    #expect(error != nil && !"\(error.debugDescription)".contains("s3cr3t"))
    #expect(source.cachedValue(of: try ref(), revision: 1) == nil)
    guard case .failure? = records.all.first?.result else {
      Issue.record("the failure is not written down")
      return
    }
  }

  @Test func aTokenLongerThanTheBoundIsRefused() async throws {
    endpoint.answers(200, #"{"access_token":"\#(String(repeating: "a", count: 16_385))","token_type":"bearer"}"#)
    #expect(await failure { _ = try await value(source()) }?.code == .failed)
  }

  // MARK: One at a time

  @Test func manyRequestsWaitForOneToken() async throws {
    let source = source()
    endpoint.hold()
    try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<20 { group.addTask { try await value(source) } }
      await endpoint.received(1)
      endpoint.release()
      for try await token in group { #expect(token == "token-1") }
    }
    #expect(endpoint.requests.count == 1)
  }

  @Test func aNewRevisionHasAnotherToken() async throws {
    let source = source()
    #expect(try await value(source) == "token-1")
    values.set(["token_url": "https://auth.test/token", "client_id": "id", "client_secret": "new"])
    #expect(source.cachedValue(of: try ref(), revision: 2) == nil)
    #expect(try await value(source, revision: 2) == "token-2")
    let sent = endpoint.requests.compactMap { $0.authorization?.reveal() }
    #expect(sent == ["Basic aWQ6czNjcjN0", "Basic aWQ6bmV3"])
  }

  // MARK: Taken away

  @Test func aRevokedAgentHasNoToken() async throws {
    let source = source()
    #expect(try await value(source) == "token-1")
    let agent = AgentID(owner: try Names.owner(), name: try Names.agent())
    source.revoke([agent])
    #expect(source.cachedValue(of: try ref(), revision: 1) == nil && source.count == 0)
    #expect(await failure { _ = try await value(source) }?.code == .denied)
    source.restore([agent])
    #expect(try await value(source) == "token-2")
  }

  @Test func aTokenThatComesAfterTheRevocationIsNotUsed() async throws {
    let source = source()
    let agent = AgentID(owner: try Names.owner(), name: try Names.agent())
    endpoint.hold()
    async let late = failure { _ = try await value(source) }
    await endpoint.received(1)
    source.revoke([agent])
    endpoint.release()
    #expect(await late?.code == .denied)
    #expect(source.count == 0)
  }

  @Test func aTokenThatComesAfterTheRemovalIsMadeAnew() async throws {
    let source = source()
    let agent = AgentID(owner: try Names.owner(), name: try Names.agent())
    endpoint.hold()
    async let late = failure { _ = try await value(source) }
    await endpoint.received(1)
    values.set(nil)
    source.forget(agent: agent)
    endpoint.release()
    #expect(await late?.code == .notFound)
    #expect(source.count == 0)
  }

  @Test func withoutItsEventATokenIsNotUsed() async throws {
    let source = source()
    records.breakDown()
    #expect(await failure { _ = try await value(source) }?.code == .unreachable)
    #expect(source.count == 0)
  }

  @Test func theMemoryIsBounded() async throws {
    let source = source(limit: 8)
    for number in 0..<100 {
      _ = try await source.value(of: ref("S\(number)"), revision: 1)
      #expect(source.count <= 8)
    }
    time.advance(by: .seconds(4000))
    source.sweep()
    #expect(source.count == 0)
  }

  @Test func storedValuesPassThrough() async throws {
    let source = source()
    values.set(["token": "plain"])
    #expect(try await source.value(of: Names.ref(), revision: 1).reveal() == "plain")
    #expect(source.cachedValue(of: try Names.ref(), revision: 1)?.reveal() == "plain")
    #expect(endpoint.requests.isEmpty)
  }
}
