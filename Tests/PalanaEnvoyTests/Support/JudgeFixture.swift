import Logging
import PalanaAPI
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// A judge without a proxy, and one agent that may reach `allowed.test`.
enum JudgeFixture {
  static func run(_ body: (EgressJudge, EgressAgent, RecordingSink) async throws -> Void) async throws {
    let pair = try CertificateAuthority.generate(installation: "test", now: WallClock.system.now())
    let egress = EgressGatewayConfiguration(
      listenAddress: .v4(0x7f00_0001), threads: 1, staticHosts: [try CanonicalHost.parse("allowed.test"): .v4(0x7f00_0001)],
      addresses: AddressPolicy(allowed: [try CIDR("127.0.0.0/8")]))
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let sink = RecordingSink()
    let judge = try EgressJudge(
      configuration: egress, certificateAuthority: try CertificateAuthority(certificatePEM: pair.certificate, keyPEM: pair.key),
      secrets: FakeSecrets(), audit: { _ in sink }, mayGoUnscrubbed: true, logger: logger)
    let owner = try UserIdentity("alice@example.com")
    let name = try ResourceName("a")
    let rule = EgressRule(id: "allowed", host: "allowed.test", ports: [80, 443])
    let agent = EgressAgent(
      subject: PolicySubject(id: AgentID(owner: owner, name: name), name: name, owner: owner, template: nil, labels: [:]),
      source: try #require(IPAddress("127.0.1.1")), proxyToken: Redacted(GatewayFixture.tokenA),
      decisions: DecisionCore(rules: try CompiledRules([RuleSource(name: "agent", rules: [rule])])), bindings: [])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await judge.run() }
      defer { group.cancelAll() }
      _ = await judge.apply(try EgressSnapshot(version: 1, agents: [agent]))
      try await body(judge, agent, sink)
    }
  }
}
