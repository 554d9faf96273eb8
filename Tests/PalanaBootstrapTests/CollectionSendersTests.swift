import PalanaControl
import PalanaCore
import Testing

@testable import PalanaBootstrap
@testable import PalanaCluster

/// Whose audit trail the control API of a cluster takes.
@Suite struct CollectionSendersTests {
  private static let gateway = "system:serviceaccount:palana-system:palana-gateway"
  private static let senders = CollectionSenders(accounts: [gateway], audience: "palana-audit")

  private func subject(_ user: String, _ pods: [String]?) -> TokenReviewer.Subject {
    .init(user: user, groups: ["system:masters"], uid: "u", extra: pods.map { ["authentication.kubernetes.io/pod-name": $0] } ?? [:])
  }

  @Test func thePodIsTheOneThatTheClusterNames() throws {
    let sender = try Self.senders.sender(subject(Self.gateway, ["palana-gateway-x"]))
    #expect(sender == AuditSender(identity: try UserIdentity(Self.gateway), pod: "palana-gateway-x"))
  }

  @Test(
    arguments: [
      ("alice@example.com", ["palana-gateway-x"], "sender_unknown"),
      ("system:serviceaccount:other:palana-gateway", ["palana-gateway-x"], "sender_unknown"),
      ("system:serviceaccount:palana-system:default", ["palana-gateway-x"], "sender_unknown"), (gateway, nil, "sender_without_pod"),
      (gateway, [], "sender_without_pod"), (gateway, ["a", "b"], "sender_without_pod"), (gateway, [""], "sender_without_pod"),
      (gateway, [String(repeating: "p", count: 254)], "sender_without_pod"),
    ] as [(String, [String]?, String)])
  func othersAreRefused(user: String, pods: [String]?, reason: String) {
    let failure = #expect(throws: AuthenticationFailure.self) { try Self.senders.sender(subject(user, pods)) }
    #expect(failure?.reason == reason)
  }

  @Test(arguments: [
    ("audit: {collect: {accounts: [palana-gateway]}}", "accounts"),
    ("audit: {collect: {accounts: [\"system:serviceaccount:x\"]}}", "accounts"),
    ("audiences: [palana-audit]\naudit: {collect: {accounts: []}}", "audience"),
    ("audit: {collect: {accounts: [], audience: \"\"}}", "audience"),
    ("audit: {retention: 1m}", "retention"), ("audit: {collect: {account: []}}", "account"),
  ])
  func whatTheControlAPIRefuses(yaml: String, word: String) async throws {
    try await withText(yaml) { path in
      let error = #expect(throws: PalanaError.self) {
        let file = try ControlFile.read(path)
        _ = (try file.senders(), try file.retention())
      }
      #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
    }
  }

  @Test func whatItTakes() async throws {
    try await withText("audit: {retention: 30d, collect: {accounts: [\"\(Self.gateway)\"]}}") { path in
      let file = try ControlFile.read(path)
      #expect(try file.retention() == .seconds(30 * 86_400))
      #expect(try file.senders()?.accounts == [Self.gateway] && file.senders()?.audience == "palana-audit")
    }
    try await withText("listen: 127.0.0.1:0") { path in
      let senders = try ControlFile.read(path).senders()
      #expect(senders == nil)
    }
  }

  @Test(arguments: [
    ("http://palana-control", "base URL"), ("https://", "base URL"), ("https://user@palana-control", "base URL"),
    ("https://palana-control/v1", "base URL"), ("palana-control", "base URL"),
  ])
  func whatIsNoCollector(url: String, words: String) throws {
    let file = AuditFile(collector: .init(url: url))
    let error = #expect(throws: PalanaError.self) { try file.settings() }
    #expect(error?.message.contains(words) == true)
    #expect(throws: PalanaError.self) {
      try ConfigurationLoader.load(yaml: "audit: {collector: {url: \"\(url)\"}}", file: "f", environment: [:])
    }
  }

  @Test func aHomeAndACollectorGoTogether() async throws {
    let collector = AuditFile(collector: .init(url: "https://palana-control.palana-system.svc"))
    for (home, audit) in [("/nowhere", nil), (nil, collector)] as [(String?, AuditFile?)] {
      let error = await #expect(throws: PalanaError.self) { try await RoleTrail.open(home: home, audit, label: "x", logger: quiet) }
      #expect(error?.code == .invalid)
    }
    #expect(try await RoleTrail.open(home: nil, nil, label: "x", logger: quiet).services.isEmpty)
  }
}
