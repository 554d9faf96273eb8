import Foundation
import PalanaCore
import PalanaLocal
import PalanaPlan
import Synchronization
import Testing

/// What others change, on purpose or not, is brought back within one reconciliation.
@Suite(.enabled(if: NetworkFixture.isRoot))
struct ReconcileTests {
  /// One act of sabotage. `BR`, `PORT`, `TABLE`, `MAC`, `IP`, `GW`, `PREFIX` and `NS` stand for the names of agent 5.
  struct Sabotage: Sendable, CustomTestStringConvertible {
    var command: String
    /// What the report must say first.
    var expected: @Sendable (AgentID) -> NetworkRepair
    var testDescription: String { command }

    init(_ command: String, _ expected: @escaping @Sendable (AgentID) -> NetworkRepair) {
      self.command = command
      self.expected = expected
    }
  }

  static let acts: [Sabotage] = [
    Sabotage("nft delete table inet TABLE", { _ in .firewall }),
    Sabotage("nft delete table bridge TABLE", { _ in .firewall }),
    Sabotage("nft flush table inet TABLE", { _ in .firewall }),
    Sabotage("nft flush chain bridge TABLE prerouting", { _ in .firewall }),
    Sabotage("nft insert rule inet TABLE to_host accept", { _ in .firewall }),
    Sabotage("nft add rule inet TABLE through counter accept", { _ in .firewall }),
    Sabotage("nft add chain inet TABLE mine", { _ in .firewall }),
    Sabotage("nft add set inet TABLE mine '{ type ipv4_addr; }'", { _ in .firewall }),
    Sabotage(
      "nft 'add chain inet TABLE input { type filter hook input priority 0; policy drop; }'", { _ in .firewall }),
    Sabotage("nft 'add table inet TABLE { flags dormant; }'", { _ in .firewall }),
    Sabotage("nft add element inet TABLE live '{ IP99 }'", { _ in .firewall }),
    Sabotage("nft add element bridge TABLE live_ports '{ \"PORT\" . MAC . IP99 }'", { _ in .firewall }),
    Sabotage("nft delete element inet TABLE live '{ IP }'", { _ in .firewall }),
    Sabotage("nft flush set bridge TABLE live_ports", { _ in .firewall }),
    Sabotage("nft add element inet TABLE peers '{ IP . IP99 . 22 }'", { _ in .firewall }),
    Sabotage("ip link del BR", { _ in .bridge }),
    Sabotage("ip link set BR down", { _ in .bridge }),
    Sabotage("ip link set BR address 02:00:00:00:00:09", { _ in .bridge }),
    Sabotage("ip addr flush dev BR", { _ in .bridge }),
    Sabotage("ip rule del iif BR blackhole", { _ in .bridge }),
    Sabotage("ip link del PORT", { .link($0) }),
    Sabotage("ip link set PORT down", { .linkSettings($0) }),
    Sabotage("ip link set PORT nomaster", { .linkSettings($0) }),
    Sabotage("ip link set PORT alias someone-else", { .link($0) }),
    Sabotage("bridge link set dev PORT isolated off", { .linkSettings($0) }),
    Sabotage("bridge link set dev PORT learning on flood on", { .linkSettings($0) }),
    Sabotage("nsenter --net=NS ip link del eth0", { .link($0) }),
    Sabotage("umount NS", { .namespace($0) }),
    Sabotage("ip link add PREFIX-ffffffff type veth peer name PREFIXx", { _ in .orphan("") }),
    // Nothing to report, but brought back.
    Sabotage("nsenter --net=NS ip addr flush dev eth0", { _ in .orphan("none") }),
    Sabotage("nsenter --net=NS ip route flush table main", { _ in .orphan("none") }),
    Sabotage("nsenter --net=NS ip link set eth0 down", { _ in .orphan("none") }),
    Sabotage("ip neigh flush dev BR nud permanent", { _ in .orphan("none") }),
    Sabotage("bridge fdb del MAC dev PORT master", { _ in .orphan("none") }),
    Sabotage("sysctl -q net.ipv4.conf.BR.forwarding=1", { _ in .orphan("none") }),
  ]

  @Test(arguments: acts)
  func sabotageIsRepaired(_ act: Sabotage) async throws {
    try await NetworkFixture.with { fixture in
      let agent = try fixture.agent(5)
      let handle = try await fixture.prepare(5)
      let configuration = fixture.configuration
      let command = act.command.replacing("TABLE", with: configuration.table).replacing(
        "BR", with: configuration.bridge
      )
      .replacing("PORT", with: handle.interface).replacing("IP99", with: "\(fixture.address(99))")
      .replacing("IP", with: "\(handle.address)").replacing("MAC", with: "\(handle.mac)")
      .replacing("NS", with: handle.namespacePath).replacing("PREFIX", with: configuration.prefix)
      let desired = [try fixture.desire(5)]
      #expect(try await fixture.network.reconcile(desired: desired).repairs == [], "a whole network needs no repair")
      try await fixture.command("sh", ["-c", command])
      let report = try await fixture.network.reconcile(desired: desired)
      #expect(report.failures.isEmpty)
      switch act.expected(agent) {
      case .orphan("none"): #expect(report.repairs == [])
      case .orphan: #expect(report.repairs == [.orphan("\(configuration.prefix)-ffffffff")])
      case let repair: #expect(report.repairs.contains(repair), "\(report.repairs)")
      }
      try await fixture.withServer(port: 3128) { _ async throws in
        let answer = try await fixture.connect(from: handle, to: configuration.gateway, port: 3128)
        #expect(answer == "hello \(handle.address)")
      }
      #expect(
        try String(contentsOfFile: "/proc/sys/net/ipv4/conf/\(configuration.bridge)/forwarding", encoding: .utf8)
          == "0\n")
      #expect(try await fixture.network.reconcile(desired: desired).repairs == [], "one reconciliation is enough")
    }
  }

  @Test func changesOfOthersElsewhereAreLeftAlone() async throws {
    try await NetworkFixture.with { fixture in
      _ = try await fixture.prepare(5)
      let other = "\(fixture.configuration.table)_other"
      try await fixture.command(
        "nft", ["add table inet \(other) { set s { type ipv4_addr; elements = { 192.0.2.7 } }; }"])
      let report = try await fixture.network.reconcile(desired: [fixture.desire(5)])
      let listing = try await fixture.command("nft", ["list", "table", "inet", other])
      try await fixture.command("nft", ["delete", "table", "inet", other])
      #expect(report.repairs == [])
      #expect(listing.contains("192.0.2.7"))
    }
  }

  /// While one agent after the other is made, all that is wanted stays: what is desired is asked for when nothing else is under way.
  @Test func whatIsMadeMeanwhileIsNoOrphan() async throws {
    try await NetworkFixture.with { fixture in
      let wanted = Wanted()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          while !wanted.isComplete, !Task.isCancelled {
            let report = try await fixture.network.reconcile { wanted.desires }
            #expect(report.repairs == [])
          }
        }
        group.addTask {
          for number in 2..<62 {
            // As the engine does: said first, then made.
            var desire = try fixture.desire(number)
            desire.isPending = true
            wanted.add(desire)
            let handle = try await fixture.prepare(number)
            wanted.made(desire.agent)
            #expect(FileManager.default.fileExists(atPath: handle.namespacePath))
          }
          wanted.complete()
        }
        try await group.waitForAll()
      }
      #expect(fixture.network.list().count == 60)
    }
  }

  @Test func whatIsDesiredIsMadeAndWhatIsNotIsRemoved() async throws {
    try await NetworkFixture.with { fixture in
      _ = try await fixture.prepare(5)
      let report = try await fixture.network.reconcile(desired: [fixture.desire(6), fixture.desire(7, isCut: true)])
      #expect(report.failures.isEmpty)
      let list = fixture.network.list()
      #expect(list.map(\.agent) == [try fixture.agent(6), try fixture.agent(7)])
      #expect(list.map(\.isLive) == [true, false])
      #expect(report.repairs.contains(.orphan(try fixture.agent(5).text)))
      try await fixture.withServer(port: 3128) { _ async throws in
        let gateway = fixture.configuration.gateway
        #expect(
          try await fixture.connect(from: list[0].handle, to: gateway, port: 3128) == "hello \(fixture.address(6))")
        #expect(try await fixture.connect(from: list[1].handle, to: gateway, port: 3128, patience: 0.3) == "timeout")
      }
    }
  }

  @Test func oneBrokenDesireDoesNotHoldUpTheOthers() async throws {
    try await NetworkFixture.with { fixture in
      let outside = AgentNetworkDesire(agent: try fixture.agent(5), address: fixture.configuration.gateway)
      let same = AgentNetworkDesire(agent: try fixture.agent(7), address: fixture.address(6))
      let report = try await fixture.network.reconcile(desired: [outside, fixture.desire(6), same])
      #expect(Set(report.failures.keys) == [try fixture.agent(5), try fixture.agent(7)])
      #expect(fixture.network.list().map(\.agent) == [try fixture.agent(6)])
    }
  }
}

/// Which agents are wanted at this moment.
private final class Wanted: Sendable {
  private let state = Mutex<(desires: [AgentNetworkDesire], isComplete: Bool)>(([], false))

  var desires: [AgentNetworkDesire] { state.withLock { $0.desires } }
  var isComplete: Bool { state.withLock { $0.isComplete } }
  func add(_ desire: AgentNetworkDesire) { state.withLock { $0.desires.append(desire) } }
  func made(_ agent: AgentID) {
    state.withLock { state in
      for index in state.desires.indices where state.desires[index].agent == agent { state.desires[index].isPending = false }
    }
  }
  func complete() { state.withLock { $0.isComplete = true } }
}
