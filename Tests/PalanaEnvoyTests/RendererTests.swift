import Foundation
import PalanaCore
import PalanaEgress
import PalanaPolicy
import SwiftProtobuf
import Testing

@testable import PalanaEnvoy

/// What Envoy is told, against recorded files, which are read in review. `PALANA_RECORD_GOLDEN=1` writes them anew and fails.
@Suite struct RendererTests {
  private func configuration() throws -> EnvoyConfiguration {
    EnvoyConfiguration(
      binary: "/opt/palana/tools/envoy/envoy", folder: "/run/palana-envoy",
      egress: EgressGatewayConfiguration(
        listenAddress: try #require(IPAddress("10.77.0.1")), listenPort: 3128, addresses: AddressPolicy(allowed: [])))
  }

  @Test func bootstrap() throws {
    let document = BootstrapDocument(configuration: try configuration())
    try compare(document.json.encoded(pretty: true) + [10], with: "bootstrap.json")
  }

  @Test func listenerOfTwoAgents() throws {
    let owner = try UserIdentity("alice@example.com")
    let chains = try [("a", "ticket-of-a", "10.77.0.5"), ("b", "ticket-of-b", "fd00::5")].map { name, ticket, address in
      AgentChains.Chain(
        ticket: ticket, agent: AgentID(owner: owner, name: try ResourceName(name)), source: try #require(IPAddress(address)),
        connections: 1024)
    }
    let message = try AgentListener(
      address: try #require(IPAddress("10.77.0.1")), port: 3128, newConnectionsPerSecond: 200
    ).message(chains)
    try compare(Array(message.textFormatString().utf8), with: "listener.textproto")
  }

  private func compare(_ bytes: [UInt8], with name: String) throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(name)")
    if ProcessInfo.processInfo.environment["PALANA_RECORD_GOLDEN"] == "1" {
      try Data(bytes).write(to: file)
      Issue.record("recorded \(name): read it and run again")
      return
    }
    #expect(String(decoding: bytes, as: UTF8.self) == (try String(contentsOf: file, encoding: .utf8)))
  }
}
