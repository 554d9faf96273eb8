import PalanaAudit
import PalanaCore
import Testing

@testable import PalanaEgress

/// Another proxy tells of tunnels and of the requests in them by different logs, in any order.
@Suite struct TunnelOrderTests {
  /// A tunnel with a request has that request's event and none of its own, whichever of them is heard of first.
  @Test(arguments: [true, false]) func aTunnelWithARequestHasOneEvent(_ isTunnelFirst: Bool) async throws {
    try await JudgeFixture.run { judge, agent, sink in
      let (source, tunnel) = try await Self.openTunnel(judge, agent)
      var inside = source
      inside.tunnel = tunnel
      let request = try await Self.allowed(
        judge, JudgedHead(method: "GET", target: "/a", authority: "allowed.test", fields: [], serverName: "allowed.test", isHTTP10: false),
        inside)
      func endTunnel() {
        judge.tunnelClosed(tunnel, JudgedHandshake(serverName: "allowed.test", outcome: .fine))
        judge.tunnelClosed(tunnel, nil)
      }
      if isTunnelFirst { endTunnel() }
      judge.ended(request, JudgedEnd(outcome: .complete, status: 200, bytesSent: 1, bytesReceived: 1))
      if !isTunnelFirst { endTunnel() }
      // What was said before is done when this is answered.
      _ = await judge.tunnel(tunnel)
      #expect(sink.events.map { $0.request?.path } == ["/a"])
    }
  }

  /// A tunnel in which nothing was asked has an event.
  @Test func aTunnelWithoutARequestHasOneToo() async throws {
    try await JudgeFixture.run { judge, agent, sink in
      let (_, tunnel) = try await Self.openTunnel(judge, agent)
      judge.tunnelClosed(tunnel, JudgedHandshake(serverName: "allowed.test", outcome: .fine))
      judge.tunnelClosed(tunnel, nil)
      _ = await judge.tunnel(tunnel)
      #expect(sink.events.map(\.decision) == [.allow] && sink.events.first?.request?.path == nil)
    }
  }

  private static func openTunnel(_ judge: EgressJudge, _ agent: EgressAgent) async throws -> (source: JudgedSource, id: String) {
    let source = JudgedSource(
      agent: agent.id, source: AuditEvent.Source(ip: try #require(IPAddress("127.0.1.1")), port: 40_000), tunnel: nil)
    let head = JudgedHead(
      method: "CONNECT", target: "allowed.test:443", authority: "allowed.test:443",
      fields: [.init(name: "proxy-authorization", value: Array(GatewayFixture.basic(GatewayFixture.tokenA).utf8))])
    return (source, try await allowed(judge, head, source))
  }

  private static func allowed(_ judge: EgressJudge, _ head: JudgedHead, _ source: JudgedSource) async throws -> String {
    guard case .allowed(let id, _, _) = await judge.judge(head, from: source) else { throw PalanaError(.denied, "it was not allowed") }
    return id
  }
}
