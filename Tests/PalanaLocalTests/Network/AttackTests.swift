import Foundation
import PalanaCore
import PalanaLocal
import PalanaPlan
import Testing

/// A hostile agent with every capability inside its namespace against the real firewall.
@Suite(.enabled(if: NetworkFixture.isRoot))
struct AttackTests {
  struct Outcome: Decodable {
    var attacks: [String: String]
    var others: [String: String]
    var sockets: [String: String]
    var control: [String: String]
    var neighbourFrames: Int
  }

  /// Lets agent 5 attack while agent 6 and the host look.
  func attack(_ fixture: NetworkFixture) async throws -> Outcome {
    let a = try await fixture.prepare(5)
    let b = try await fixture.prepare(6)
    let host = try await fixture.command(
      "sh",
      [
        "-c",
        "ip -4 -o addr show scope global | grep -v ' \(fixture.configuration.prefix)' | awk '{split($4,a,\"/\"); print a[1]; exit}'",
      ])
    let host6 = try await fixture.command(
      "sh", ["-c", "ip -6 -o addr show scope global | awk '{split($4,a,\"/\"); print a[1]; exit}'"])
    let setup: [String: Any] = [
      "a": "\(a.address)", "b": "\(b.address)", "gateway": "\(fixture.configuration.gateway)", "macA": "\(a.mac)",
      "macB": "\(b.mac)", "macGateway": "\(fixture.configuration.gatewayMAC)", "pathA": a.namespacePath,
      "pathB": b.namespacePath, "bridge": fixture.configuration.bridge, "nobody": "\(fixture.address(99))",
      "broadcast": "\(fixture.address(255))", "host": host.isEmpty ? "192.0.2.1" : host,
      "host6": host6.isEmpty ? "fd00::2" : host6, "port": 3128,
    ]
    let argument = String(decoding: try JSONSerialization.data(withJSONObject: setup), as: UTF8.self)
    return try await fixture.withServer(port: 3128) { _ async throws in
      let text = try await fixture.python(AttackProgram.text, [argument])
      return try JSONDecoder().decode(Outcome.self, from: Data(text.utf8))
    }
  }

  /// What the host may see on its bridge: packets of the agent's true addresses to the gateway's hardware address pass the bridge
  /// and are judged above it.
  static let seenOnTheBridge: Set<String> = [
    "udp to the gateway", "udp to another address of the host", "udp to the host's loopback", "dns to the gateway",
    "udp beyond the host", "another agent by the gateway", "fragments", "fragments, the second", "source route",
    "icmp redirect", "protocol 2", "protocol 41", "protocol 47", "protocol 50", "protocol 132",
  ]

  @Test func nothingButTheGatewayIsReached() async throws {
    try await NetworkFixture.with { fixture in
      let outcome = try await attack(fixture)
      // The observers work: both agents got their answer, and the neighbour's link was being watched.
      #expect(outcome.control == ["a": "hello \(fixture.address(5))", "b": "hello \(fixture.address(6))"])
      #expect(outcome.neighbourFrames > 0)
      #expect(outcome.attacks.count > 100)
      for (name, who) in outcome.attacks {
        let allowed = Self.seenOnTheBridge.contains(name) ? ["blocked", "bridge"] : ["blocked"]
        #expect(allowed.contains(who), "\(name) reached \(who)")
      }
      #expect(outcome.others.filter { $0 != ("ping", "bridge") } == [:])
      let expected = [
        "tcp to another port of the gateway": "ECONNREFUSED", "tcp to another agent": "ENETUNREACH",
        "tcp to the host": "ENETUNREACH", "tcp beyond the host": "ENETUNREACH", "tcp to own loopback": "ECONNREFUSED",
        "routed: tcp to the host": "ECONNREFUSED", "routed: tcp to the host, gateway's port": "ECONNREFUSED",
        "routed: tcp to another agent": "timeout", "routed: tcp beyond the host": "timeout",
      ]
      for (name, answer) in expected { #expect(outcome.sockets[name] == answer, "\(name)") }
      for name in ["ipv6 to the host", "ipv6 to own loopback"] {
        #expect(["EADDRNOTAVAIL", "ENETUNREACH"].contains(outcome.sockets[name]), "\(name)")
      }
      let dropped = try await fixture.network.dropped()
      for counter in [FirewallCounter.spoofed, .frameType, .bypass, .refusedHost] {
        #expect((dropped[counter]?.packets ?? 0) > 0, "\(counter)")
      }
      let neighbours = try await fixture.command("ip", ["neigh", "show", "dev", fixture.configuration.bridge])
      #expect(
        neighbours.contains(
          "\(fixture.address(6)) lladdr \(MACAddress(for: fixture.configuration.subnetValue + 6)) PERMANENT"))
      #expect(try await fixture.network.reconcile(desired: [fixture.desire(5), fixture.desire(6)]).repairs == [])
    }
  }

  /// The gate has a test that it fails: with the firewall gone the same observers see the same attacks.
  @Test func theObserversSeeTheAttacksWithoutTheFirewall() async throws {
    try await NetworkFixture.with { fixture in
      _ = try await fixture.prepare(5)
      _ = try await fixture.prepare(6)
      let table = fixture.configuration.table
      try await fixture.command("nft", ["delete table bridge \(table); delete table inet \(table)"])
      // `attack` prepares again, which would bring the firewall back; the agents are live already, so it does not.
      let outcome = try await attack(fixture)
      #expect(outcome.attacks["udp to the gateway"]?.contains("host") == true)
      #expect(outcome.attacks["spoofed address of another agent"]?.contains("host") == true)
      #expect(outcome.attacks["spoofed hardware address"]?.contains("host") == true)
      #expect(outcome.attacks["reserved group e"]?.contains("host") == true)
      #expect(outcome.others["ping"]?.contains("answer") == true)
    }
  }

  /// With peering on, the bridge routes; what is not allowed is still refused.
  @Test func routingBetweenPeersOpensNothingElse() async throws {
    try await NetworkFixture.with { fixture in
      _ = try await fixture.prepare(5)
      _ = try await fixture.prepare(6)
      _ = try await fixture.prepare(7)
      try await fixture.network.setPeers([
        PeerRule(from: fixture.agent(5), to: fixture.agent(7), port: 80),
        PeerRule(from: fixture.agent(7), to: fixture.agent(6), port: 80),
      ])
      let outcome = try await attack(fixture)
      for (name, who) in outcome.attacks {
        let allowed = Self.seenOnTheBridge.contains(name) ? ["blocked", "bridge"] : ["blocked"]
        #expect(allowed.contains(who), "\(name) reached \(who)")
      }
      #expect(outcome.others.filter { $0 != ("ping", "bridge") } == [:])
      #expect(outcome.sockets["tcp to another agent"] == "ENETUNREACH")
      #expect(outcome.sockets["routed: tcp to another agent"] == "ECONNREFUSED")
      #expect(outcome.sockets["routed: tcp beyond the host"] == "timeout")
    }
  }

  /// Another network behind this machine, such as containers of something else, gets neither to the gateway nor to agents, nor
  /// can it pass for an agent.
  @Test func anotherNetworkOfTheMachineIsKeptOut() async throws {
    try await NetworkFixture.with { fixture in
      let prefix = fixture.configuration.prefix
      let agent = try await fixture.prepare(5)
      let number = (fixture.configuration.subnetValue >> 8) & 255
      func setUp(_ lines: String) async throws { try await fixture.command("sh", ["-ec", lines]) }
      try await setUp(
        """
        ip netns add \(prefix)-x
        ip link add \(prefix)x type veth peer name eth0 netns \(prefix)-x
        ip addr add 10.212.\(number).1/24 dev \(prefix)x
        ip link set \(prefix)x up
        ip -n \(prefix)-x addr add 10.212.\(number).2/24 dev eth0
        ip -n \(prefix)-x addr add \(agent.address)/32 dev eth0
        ip -n \(prefix)-x link set eth0 up
        ip -n \(prefix)-x route add default via 10.212.\(number).1 src 10.212.\(number).2
        """)
      let outside = "/var/run/netns/\(prefix)-x"
      let answers: Result<[String], any Error>
      do {
        let gateway = fixture.configuration.gateway
        let other = try #require(IPAddress("10.212.\(number).1"))
        answers = .success([
          try await fixture.withServer(host: other, port: 3128) { _ in
            try await fixture.connect(inside: outside, to: other, port: 3128)
          },
          try await fixture.withServer(port: 3128) { _ in
            try await fixture.connect(inside: outside, to: gateway, port: 3128, patience: 0.4)
          },
          try await fixture.withServer(port: 3128) { _ in
            try await setUp("ip -n \(prefix)-x route change default via 10.212.\(number).1 src \(agent.address)")
            return try await fixture.connect(inside: outside, to: gateway, port: 3128, patience: 0.4)
          },
        ])
      } catch {
        answers = .failure(error)
      }
      try await setUp("ip netns del \(prefix)-x; ip link del \(prefix)x 2>/dev/null || true")
      // The first shows that the other network works at all.
      #expect(try answers.get() == ["hello 10.212.\(number).2", "timeout", "timeout"])
      #expect((try await fixture.network.dropped()[.foreign]?.packets ?? 0) >= 2)
    }
  }
}
