import Foundation
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaSecrets
import Synchronization
import Testing

@testable import PalanaEgress
@testable import PalanaEnvoy

/// The same requests to the built-in gateway and through the real Envoy: the same answer, reason, event and request upstream.
@Suite("Envoy egress: equality", .timeLimit(.minutes(10)), .enabled(if: EnvoyFixture.isInstalled))
struct EqualityTests {
  /// One request and the host of its tunnel; nil: to the proxy itself, without a tunnel.
  private struct Case: Sendable {
    var text: String
    var tunnel: String?
  }

  private struct Outcome: Equatable, CustomStringConvertible {
    var status: Int?
    var reason: String?
    var decision: AuditEvent.Decision?
    var eventReason: String?
    var rule: String?
    var path: String?
    var secrets: [String]
    /// What reached the upstream, without what each proxy writes in its own way.
    var upstream: String

    var description: String {
      "\(status ?? 0) \(reason ?? "-") \(decision?.rawValue ?? "-") \(eventReason ?? "-") \(rule ?? "-") \(path ?? "-") \(secrets) \(upstream)"
    }
  }

  /// Envoy's parser takes the registered methods only: docs/envoy.md.
  private static let methods = ["GET", "POST", "DELETE", "PATCH"]
  private static let targets = [
    "/", "/repos/a?x=1&y=%20", "/admin/x", "/repos/../admin", "/repos/%2e%2e/admin", "/repos//a", "/repos/a%2Fb", "/a%zz", "/%61dmin/x",
    "/repos/./a", "/ä",
  ]
  private static let placeholder = GatewayFixture.placeholder
  private static let fields: [[String]] = [
    [], ["authorization: Bearer \(placeholder)"], ["authorization: Basic \(Data("u:\(placeholder)".utf8).base64EncodedString())"],
    ["x-key: \(placeholder)"], ["authorization: Bearer \(GatewayFixture.canary)"],
    ["authorization: Bearer \(placeholder)", "authorization: Bearer x"], ["authorization: token TOKEN_OTHER"],
    ["x-forwarded-for: 10.0.0.1", "x-b: 1", "X-B: 2"], ["connection: x-gone", "x-gone: 1", "te: trailers"],
  ]

  /// Every pair of one part with the usual others, and a fixed selection of the rest.
  private static func cases(port: UInt16) -> [Case] {
    var random = SplitMix(state: 3)
    var picks: [(method: String, target: String, fields: [String], host: String)] = []
    for target in targets { picks.append(("GET", target, [], "allowed.test")) }
    for method in methods { picks.append((method, "/", [], "allowed.test")) }
    for lines in fields { picks.append(("GET", "/", lines, "allowed.test")) }
    for host in ["other.test", "meta.test"] { picks.append(("GET", "/", fields[1], host)) }
    for _ in 0..<40 {
      picks.append(
        (
          methods[Int.random(in: 0..<methods.count, using: &random)], targets[Int.random(in: 0..<targets.count, using: &random)],
          fields[Int.random(in: 0..<fields.count, using: &random)], Bool.random(using: &random) ? "allowed.test" : "other.test"
        ))
    }
    var cases = picks.map { pick in
      let lines = (pick.method == "POST" || pick.method == "PATCH" ? ["content-length: 0"] : []) + pick.fields
      return Case(
        text: "\(pick.method) \(pick.target) HTTP/1.1\r\nhost: \(pick.host):\(port)\r\n\(lines.map { $0 + "\r\n" }.joined())\r\n",
        tunnel: pick.host)
    }
    // The names do not agree, or are none.
    for line in ["host: other.test", "host: allowed.test:1", "host: ", "host: allowed.test.:\(port)", "host: ALLOWED.test:\(port)"] {
      cases.append(Case(text: "GET / HTTP/1.1\r\n\(line)\r\n\r\n", tunnel: "allowed.test"))
    }
    // Tunnels that are refused.
    let proof = "proxy-authorization: \(GatewayFixture.basic(GatewayFixture.tokenA))\r\n"
    for target in ["evil.test:443", "allowed.test:22", "allowed.test", "ALLOWED.test.:22", "[::1]:443", "allowed.test:0", "a b:443"] {
      cases.append(Case(text: "CONNECT \(target) HTTP/1.1\r\nhost: \(target)\r\n\(proof)\r\n", tunnel: nil))
    }
    for line in ["", "proxy-authorization: Basic eA==\r\n", "proxy-authorization: Bearer x\r\n"] {
      cases.append(Case(text: "CONNECT allowed.test:443 HTTP/1.1\r\nhost: allowed.test:443\r\n\(line)\r\n", tunnel: nil))
    }
    return cases
  }

  @Test func bothDecideTheSame() async throws {
    var limits = EgressLimits()
    limits.refusalsPerSecond = 0
    var builtin = GatewayFixture.Options()
    builtin.limits = limits
    builtin.hosts = EnvoyFixture.Options().hosts
    var envoy = EnvoyFixture.Options()
    envoy.limits = limits
    let sent = Collected()
    try await GatewayFixture.run(builtin) { fixture, upstream in
      sent.set(0, try await Self.outcomes(fixture, upstream))
    }
    try await EnvoyFixture.run(envoy) { fixture, upstream in
      sent.set(1, try await Self.outcomes(fixture, upstream))
    }
    let (left, right) = (sent.get(0), sent.get(1))
    #expect(left.count == right.count && left.count > 70)
    for (a, b) in zip(left, right) { #expect(a.outcome == b.outcome, "\(a.text)\nbuilt-in: \(a.outcome)\nEnvoy: \(b.outcome)") }
  }

  private struct Answered: Sendable {
    var text: String
    var outcome: Outcome
  }

  private final class Collected: Sendable {
    private let state = Mutex<[Int: [Answered]]>([:])
    func set(_ index: Int, _ answers: [Answered]) { state.withLock { $0[index] = answers } }
    func get(_ index: Int) -> [Answered] { state.withLock { $0[index] ?? [] } }
  }

  private static func outcomes(_ fixture: some PlaneFixture, _ upstream: Upstream) async throws -> [Answered] {
    await fixture.plane.apply(try snapshot(fixture))
    var all: [Answered] = []
    for one in cases(port: fixture.upstreamPort) {
      let before = fixture.sink.events.count
      let reached = upstream.requests.count
      let response: Response? =
        if let tunnel = one.tunnel {
          try await fixture.ask(one.text, host: tunnel)
        } else {
          try await fixture.client { wire in
            try await wire.send(one.text)
            return try await wire.response()
          }
        }
      let events = await fixture.sink.events(before + 1).dropFirst(before)
      let event = events.first
      func plain(_ text: String) -> String { text.replacing("\(fixture.upstreamPort)", with: "PORT") }
      let heads = upstream.requests.dropFirst(reached).map { head in
        plain(head.split(separator: "\r\n").map { $0.lowercased() }.sorted().joined(separator: "|"))
      }
      all.append(
        Answered(
          text: plain(one.text),
          outcome: Outcome(
            status: response?.status, reason: response?.reason, decision: event?.decision, eventReason: event?.reason, rule: event?.rule,
            path: event?.request?.path, secrets: event?.secrets ?? [], upstream: heads.joined(separator: " & "))))
    }
    return all
  }

  private static func snapshot(_ fixture: some PlaneFixture) throws -> EgressSnapshot {
    let ports = [Int(fixture.upstreamPort), 443]
    let rules = [
      EgressRule(id: "read", host: "allowed.test", ports: ports, methods: ["GET", "POST"]),
      EgressRule(id: "admin", action: .deny, host: "allowed.test", ports: ports, paths: ["/admin/**"]),
      EgressRule(id: "other", host: "other.test", ports: ports, paths: ["/", "/repos/**"]),
      EgressRule(id: "meta", host: "meta.test", ports: ports),
    ]
    return try EgressSnapshot(
      version: 50,
      agents: [
        try fixture.agent(
          "a", source: "127.0.1.1", token: GatewayFixture.tokenA, rules: rules, bindings: [try fixture.binding()])
      ])
  }
}
