import AsyncHTTPClient
import FoundationEssentials
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import PalanaCore
import PalanaPolicy
import Synchronization
import Testing

@testable import PalanaOPA

/// A server that answers what it is told and remembers what it was asked.
private final class ScriptedServer: ChannelInboundHandler, @unchecked Sendable {
  // Each connection has a handler of its own, used on its event loop only; `script` is shared and locked.
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  final class Script: Sendable {
    struct State {
      var status = HTTPResponseStatus.ok
      var body: String? = "{}"
      var asked: [(uri: String, body: String)] = []
    }
    let state = Mutex(State())
  }

  private let script: Script
  private var uri = ""
  private var body = ""

  init(_ script: Script) { self.script = script }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      uri = "\(head.method) \(head.uri)"
      body = ""
    case .body(let part): body += String(buffer: part)
    case .end:
      let (status, answer) = script.state.withLock { state in
        state.asked.append((uri, body))
        return (state.status, state.body)
      }
      guard let answer else { return }  // a server that hangs
      let headers: HTTPHeaders = ["content-length": "\(answer.utf8.count)"]
      context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer)))), promise: nil)
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
  }

  static func run(_ script: Script, _ body: (String, HTTPClient) async throws -> Void) async throws {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(ScriptedServer(script))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let client = OPAServerGuardrail.makeClient()
    do {
      try await body("http://127.0.0.1:\(channel.localAddress?.port ?? 0)/", client)
    } catch {
      try await client.shutdown()
      try await channel.close()
      throw error
    }
    try await client.shutdown()
    try await channel.close()
  }
}

@Suite struct OPAServerGuardrailTests {
  @Test func asksAndReads() async throws {
    let script = ScriptedServer.Script()
    script.state.withLock { $0.body = #"{"decision_id":"x","result":{"deny":["no"],"allow":true,"ttl_seconds":5}}"# }
    try await ScriptedServer.run(script) { server, client in
      let guardrail = try OPAServerGuardrail(
        server: server, client: client, timeout: .seconds(20), logger: Logger(label: "test"))
      let answer = await guardrail.evaluate(try request())
      #expect(
        answer
          == GuardrailAnswer(
            .deny(.policyDenied, rule: "guardrail/palana.egress", explanation: "no"), validFor: .seconds(5)))
      let asked = script.state.withLock { $0.asked }
      #expect(asked.first?.uri == "POST /v1/data/palana/egress?strict-builtin-errors=true")
      let input = try JSONDecoder().decode(OPAValue.self, from: Data((asked.first?.body ?? "").utf8))["input"]
      #expect(input?["request"]?["host"]?.text == "api.example.com")
      #expect(input?["agent"]?["owner"]?.text == "alice@example.com")
    }
  }

  @Test(arguments: [
    (HTTPResponseStatus.ok, "{}"), (.ok, "nonsense"), (.ok, ""), (.ok, #"{"result":{"allow":"yes"}}"#),
    (.ok, #"{"result":[]}"#),
    (.internalServerError, #"{"result":{"allow":true}}"#), (.notFound, #"{"result":{"allow":true}}"#),
    (.found, #"{"result":{"allow":true}}"#),
    (.ok, #"{"result":{"allow":true,"x":""# + String(repeating: "x", count: 2 << 20) + #""}}"#),
  ])
  func everythingElseIsDenied(status: HTTPResponseStatus, body: String) async throws {
    let script = ScriptedServer.Script()
    script.state.withLock {
      $0.status = status
      $0.body = body
    }
    try await ScriptedServer.run(script) { server, client in
      let guardrail = try OPAServerGuardrail(
        server: server, client: client, timeout: .seconds(20), logger: Logger(label: "test"))
      let answer = await guardrail.evaluate(try request())
      guard case .deny(.policyUnavailable, _, _) = answer.verdict else {
        Issue.record("\(answer)")
        return
      }
      #expect(answer.validFor == .zero)
    }
  }

  @Test func silenceIsDenied() async throws {
    let script = ScriptedServer.Script()
    script.state.withLock { $0.body = nil }
    try await ScriptedServer.run(script) { server, client in
      let guardrail = try OPAServerGuardrail(
        server: server, client: client, timeout: .milliseconds(50), logger: Logger(label: "test"))
      guard case .deny(.policyUnavailable, _, _) = await guardrail.evaluate(try request()).verdict else {
        Issue.record("not denied")
        return
      }
    }
  }

  @Test(arguments: [
    "", "127.0.0.1:8181", "ftp://a.test", "http://", "http://a.test?x=1", "http://user@a.test", "http://a.test/../b",
  ])
  func badAddressesAreRefused(server: String) {
    #expect(throws: PalanaError.self) {
      try OPAServerGuardrail(server: server, client: .shared, logger: Logger(label: "test"))
    }
  }
}
