import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import PalanaCore
import PalanaPlan
import SwiftASN1
import Testing
import X509

@testable import PalanaOperator

/// The server by itself: whatever is written to it is answered, and within bounds.
@Suite(.timeLimit(.minutes(2))) struct AdmissionServerTests {
  private static func serving(
    _ limits: AdmissionServer.Limits = .init(), isSynced: Bool = true, _ body: @Sendable (String, HTTPClient) async throws -> Void
  ) async throws {
    let configuration = try AdmissionBench.configuration(port: 1)
    let certificates = try #require(
      try CertificateRotation(names: configuration.reach.names, lifetimes: configuration.lifetimes).next(nil, now: WallClock.system.now()))
    let certificate = ServingCertificate()
    try certificate.replace(chain: try certificates.serving.certificate.serializeAsPEM().pemString, key: certificates.serving.key)
    let registry = AgentRegistry()
    if isSynced { registry.synced() }
    let judge = AdmissionJudge(configuration, registry: registry) { _ in nil }
    let server = AdmissionServer(judge: judge, registry: registry, certificate: certificate, limits: limits, logger: Logger(label: "test"))
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(try certificates.bundle().utf8)))
    var options = HTTPClient.Configuration(tlsConfiguration: tls)
    options.timeout.connect = .seconds(10)
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: options)
    let (ports, port) = AsyncStream.makeStream(of: Int.self)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.run(host: "127.0.0.1", port: 0) { port.yield($0) } }
      let chosen = await ports.first { _ in true } ?? 0
      try await body("https://127.0.0.1:\(chosen)", client)
      group.cancelAll()
    }
    try await client.shutdown()
  }

  private static func post(
    _ client: HTTPClient, _ url: String, _ body: HTTPClientRequest.Body?, type: String? = "application/json", method: HTTPMethod = .POST
  ) async throws -> (UInt, JSONValue?) {
    var request = HTTPClientRequest(url: url)
    request.method = method
    if let type { request.headers.add(name: "content-type", value: type) }
    request.body = body
    let answer = try await client.execute(request, timeout: .seconds(20))
    let bytes = Array(buffer: try await answer.body.collect(upTo: 1 << 20))
    return (answer.status.code, try? JSONValue(parsing: bytes))
  }

  private static func bytes(_ value: JSONValue) -> HTTPClientRequest.Body { .bytes(value.encoded()) }

  @Test func aReviewIsAnswered() async throws {
    try await Self.serving { url, client in
      let agent = OwnedJudgeTests.agent(nil)
      let review = Asked.review("alice@example.com", .create, "agents", object: agent, namespace: "people", group: "palana.dev")
      let (status, answer) = try await Self.post(client, url + "/mutate?timeout=5s", Self.bytes(review))
      #expect(status == 200 && answer?["response"]?["uid"] == "u-1" && answer?["response"]?["allowed"] == true)
      let patch = try #require(answer?["response"]?["patch"]?.string.flatMap(Base64Text.decoded))
      #expect(try JSONValue(parsing: patch) == [["op": "add", "path": "/spec/owner", "value": "alice@example.com"]])
      let (_, refused) = try await Self.post(client, url + "/validate", Self.bytes(review))
      #expect(refused?["response"]?["allowed"] == false && refused?["response"]?["status"]?["code"] == 403)
      #expect(refused?["response"]?["status"]?["message"] == "spec.owner: required, whose it is")
      // What nobody judges is refused.
      for phase in ["mutate", "validate"] {
        let other = Asked.review("alice", .create, "secrets", object: ["metadata": ["name": "x"]], namespace: "people")
        #expect(try await Self.post(client, "\(url)/\(phase)", Self.bytes(other)).1?["response"]?["allowed"] == false)
      }
    }
  }

  @Test func whatIsNoReviewGetsAnError() async throws {
    try await Self.serving { url, client in
      let review = Asked.review("alice", .create, "agents", object: OwnedJudgeTests.agent(), group: "palana.dev")
      let wrong: [(HTTPClientRequest.Body?, UInt)] = [
        (.bytes(Array("{".utf8)), 400), (.bytes(Array("[]".utf8)), 400), (.bytes([]), 400), (.bytes([0xff, 0xfe]), 400),
        (Self.bytes([:]), 400), (Self.bytes(review.setting("apiVersion", "admission.k8s.io/v1beta1")), 400),
        (Self.bytes(review.setting("request", nil)), 400), (Self.bytes(review.setting("request.uid", "")), 400),
        (Self.bytes(review.setting("request.operation", "PATCH")), 400), (Self.bytes(review.setting("request.userInfo", [:])), 400),
        // A name that stands twice would be read in two ways.
        (.bytes(Array(#"{"kind":"AdmissionReview","kind":"AdmissionReview"}"#.utf8)), 400),
        (.bytes(Array(repeating: UInt8(ascii: "["), count: 100_000)), 400),
      ]
      for (body, expected) in wrong {
        let status = try await Self.post(client, url + "/validate", body).0
        #expect(status == expected)
      }
      #expect(try await Self.post(client, url + "/validate", Self.bytes(review), type: "text/plain").0 == 415)
      #expect(try await Self.post(client, url + "/validate", Self.bytes(review), type: nil).0 == 415)
      #expect(try await Self.post(client, url + "/elsewhere", Self.bytes(review)).0 == 404)
      #expect(try await Self.post(client, url + "/livez", nil, method: .GET).0 == 200)
      #expect(try await Self.post(client, url + "/readyz", nil, method: .GET).0 == 200)
    }
  }

  @Test func bodiesAreBounded() async throws {
    var limits = AdmissionServer.Limits()
    limits.bodyBytes = 10_000
    limits.heldBytes = 12_000
    limits.bodyTime = .milliseconds(300)
    try await Self.serving(limits, isSynced: false) { url, client in
      let tooLarge = try await Self.post(client, url + "/validate", .bytes(Array(repeating: 32, count: 10_001))).0
      #expect(tooLarge == 413)
      let (chunks, last) = AsyncStream.makeStream(of: ByteBuffer.self)
      last.yield(ByteBuffer(string: "{}"))
      last.finish()
      #expect(try await Self.post(client, url + "/validate", .stream(chunks, length: .unknown)).0 == 411)
      // One that never comes to its end.
      let (never, feed) = AsyncStream.makeStream(of: ByteBuffer.self)
      feed.yield(ByteBuffer(string: "{"))
      async let slow = Self.post(client, url + "/validate", .stream(never, length: .known(Int64(9_000))))
      #expect(try await slow.0 == 408)
      feed.finish()
      // What was held is free again.
      #expect(try await Self.post(client, url + "/validate", .bytes(Array(repeating: 32, count: 9_000))).0 == 400)
      #expect(try await Self.post(client, url + "/readyz", nil, method: .GET).0 == 503)
    }
  }

  @Test func heldBytesHaveAnEnd() {
    let budget = BodyBudget(bytes: 10)
    #expect(budget.take(6) && !budget.take(5) && budget.take(4) && !budget.take(1))
    budget.giveBack(6)
    #expect(budget.take(6))
  }
}
