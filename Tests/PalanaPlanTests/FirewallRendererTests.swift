import Foundation
import PalanaCore
import PalanaPlan
import Testing

/// The firewall script against recorded ones, which are read in review. `PALANA_RECORD_GOLDEN=1` writes them anew and fails.
struct FirewallRendererTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "FirewallGolden")

  private static func live(_ configuration: NetworkConfiguration, _ addresses: [String]) throws -> [FirewallState
    .LiveAgent]
  {
    try addresses.map { text in
      let value = try configuration.agentAddress(#require(IPAddress(text)))
      return FirewallState.LiveAgent(
        interface: configuration.port(for: value), mac: MACAddress(for: value), address: value)
    }
  }

  private static func value(_ text: String) throws -> UInt32 {
    guard case .v4(let value) = try #require(IPAddress(text)) else { throw PalanaError(.invalid, text) }
    return value
  }

  private static func state(_ name: String) throws -> FirewallState {
    let standard = try NetworkConfiguration()
    switch name {
    case "empty": return FirewallState(configuration: standard)
    case "agents":
      return FirewallState(
        configuration: standard, live: try live(standard, ["10.77.0.9", "10.77.0.5", "10.77.1.200"]),
        counts: [.spoofed: FirewallState.Count(packets: 7, bytes: 420)])
    case "transparent":
      let redirecting = try NetworkConfiguration(transparentPort: 3129)
      return FirewallState(configuration: redirecting, live: try live(redirecting, ["10.77.0.5"]))
    default:
      let other = try NetworkConfiguration(
        prefix: "t3st", subnet: CIDR("192.168.50.0/24"), gatewayPorts: [4000, 3128, 3128], daemonUserID: 993)
      let a = try value("192.168.50.2")
      let b = try value("192.168.50.3")
      return FirewallState(
        configuration: other, live: try live(other, ["192.168.50.2", "192.168.50.3"]),
        peers: [
          .init(from: b, to: a, port: 22), .init(from: a, to: b, port: 8080), .init(from: a, to: b, port: 443),
        ],
        hostFlows: [.init(to: b, port: 8080)])
    }
  }

  @Test(arguments: ["empty", "agents", "peers", "transparent"])
  func theScriptIsTheRecordedOne(_ name: String) throws {
    let script = FirewallRenderer.render(state: try Self.state(name))
    let file = Self.folder.appending(path: "\(name).nft")
    if ProcessInfo.processInfo.environment["PALANA_RECORD_GOLDEN"] == "1" {
      try script.write(to: file, atomically: true, encoding: .utf8)
      Issue.record("recorded \(file.lastPathComponent)")
      return
    }
    #expect(script == (try String(contentsOf: file, encoding: .utf8)))
  }

  /// Switched off it is not there at all.
  @Test func transparentModeOnlyAddsToTheScript() throws {
    let plain = FirewallRenderer.render(state: try Self.state("empty"))
    #expect(!plain.contains("dnat") && !plain.contains("udp"))
    let lines = Set(FirewallRenderer.render(state: try Self.state("transparent")).split(separator: "\n"))
    let ports = ["{ 3128 }": "{ 53, 3128 }"]
    for line in plain.split(separator: "\n") {
      let changed = ports.reduce(String(line)) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
      #expect(lines.contains(Substring(changed)), "\(line)")
    }
  }

  @Test(arguments: [0, 53, 3128, 65536])
  func theTransparentListenerHasAPortOfItsOwn(_ port: Int) {
    let error = #expect(throws: PalanaError.self) { try NetworkConfiguration(transparentPort: port) }
    #expect(error?.code == .invalid)
  }

  @Test func theOrderOfTheStateDoesNotMatter() throws {
    var state = try Self.state("peers")
    let script = FirewallRenderer.render(state: state)
    state.live.reverse()
    state.peers.reverse()
    #expect(FirewallRenderer.render(state: state) == script)
  }

  @Test func everySetAndCounterIsInTheScript() throws {
    let script = FirewallRenderer.render(state: try Self.state("empty"))
    for set in FirewallSet.allCases { #expect(script.contains("  set \(set.rawValue) {\n")) }
    for counter in FirewallCounter.allCases {
      #expect(script.contains("  counter \(counter.rawValue) { packets 0 bytes 0 }\n"))
      #expect(script.contains("counter name \"\(counter.rawValue)\" "), "nothing counts as \(counter.rawValue)")
    }
  }
}

/// Names and addresses of an installation.
struct FirewallNetworkConfigurationTests {
  @Test(arguments: [
    ("", "10.77.0.0/16", [3128], 1500, 10), ("toolong", "10.77.0.0/16", [3128], 1500, 10),
    ("Upper", "10.77.0.0/16", [3128], 1500, 10), ("a-b", "10.77.0.0/16", [3128], 1500, 10),
    ("1ab", "10.77.0.0/16", [3128], 1500, 10), ("a;", "10.77.0.0/16", [3128], 1500, 10),
    ("ok", "10.0.0.0/7", [3128], 1500, 10), ("ok", "10.77.0.0/31", [3128], 1500, 10),
    ("ok", "fd00::/64", [3128], 1500, 10), ("ok", "10.77.0.0/16", [], 1500, 10),
    ("ok", "10.77.0.0/16", [0], 1500, 10), ("ok", "10.77.0.0/16", [65536], 1500, 10),
    ("ok", "10.77.0.0/16", [3128], 575, 10), ("ok", "10.77.0.0/16", [3128], 65536, 10),
    ("ok", "10.77.0.0/16", [3128], 1500, 0), ("ok", "10.77.0.0/16", [3128], 1500, 1024),
  ])
  func aWrongValueIsRefused(_ prefix: String, _ subnet: String, _ ports: [Int], _ mtu: Int, _ maximum: Int) throws {
    guard let range = try? CIDR(subnet) else { return }
    let error = #expect(throws: PalanaError.self) {
      try NetworkConfiguration(
        prefix: prefix, subnet: range, gatewayPorts: ports, mtu: mtu, maximumAgents: maximum)
    }
    #expect(error?.code == .invalid)
    #expect(error?.message.hasPrefix("network.") == true)
  }

  @Test(arguments: ["10.77.0.0", "10.77.0.1", "10.77.255.255", "10.78.0.5", "10.76.255.255", "fd00::5"])
  func notAnAgentsAddress(_ text: String) throws {
    let configuration = try NetworkConfiguration()
    let address = try #require(IPAddress(text))
    #expect(throws: PalanaError.self) { try configuration.agentAddress(address) }
  }

  @Test(arguments: ["10.77.0.2", "10.77.0.255", "10.77.1.0", "10.77.255.254"])
  func theNameOfALinkSaysItsAddress(_ text: String) throws {
    let configuration = try NetworkConfiguration()
    let value = try configuration.agentAddress(#require(IPAddress(text)))
    let name = configuration.port(for: value)
    #expect(name.utf8.count <= 15)
    #expect(configuration.address(ofPort: name) == value)
  }

  @Test(arguments: [
    "palana0", "palana-", "palana-0a4d000", "palana-0a4d00055", "palana-0A4D0005", "palanax-0a4d0005", "eth0",
    "palana-+a4d0005",
  ])
  func aForeignNameIsNotALink(_ name: String) throws {
    #expect(try NetworkConfiguration().address(ofPort: name) == nil)
  }

  @Test func twoInstallationsShareNoName() throws {
    let one = try NetworkConfiguration(prefix: "a")
    let two = try NetworkConfiguration(prefix: "a0")
    #expect(one.bridge != two.bridge)
    #expect(one.table != two.table)
    #expect(!two.port(for: 1).hasPrefix(one.portPrefix))
    #expect(!two.bridge.hasPrefix(one.portPrefix))
  }

  @Test func hardwareAddressesAreLocalAndUnicast() {
    let mac = MACAddress(for: 0x0a4d_0005)
    #expect(mac.description == "02:50:0a:4d:00:05")
    #expect(mac.bytes[0] & 0b11 == 0b10)
    #expect(MACAddress(.port, for: 0x0a4d_0005) != mac)
    #expect(MACAddress(bytes: [1, 2, 3]) == nil)
  }
}
