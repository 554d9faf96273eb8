import Foundation
import Logging
import PalanaCore
import PalanaLocal
import PalanaPlan
import Testing

/// Making, adopting and removing networks in the real kernel.
@Suite(.enabled(if: NetworkFixture.isRoot))
struct AgentNetworkTests {
  private func inode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
  }

  @Test func anAgentReachesTheGatewayWithItsOwnAddress() async throws {
    try await NetworkFixture.with(gatewayPorts: [3128, 4000]) { fixture in
      let handle = try await fixture.prepare(5)
      for port in [3128, 4000] {
        try await fixture.withServer(port: port) { _ async throws in
          let answer = try await fixture.connect(from: handle, to: fixture.configuration.gateway, port: port)
          #expect(answer == "hello \(fixture.address(5))")
        }
      }
    }
  }

  @Test func preparingTwiceGivesTheSame() async throws {
    try await NetworkFixture.with { fixture in
      let first = try await fixture.prepare(5)
      let before = try inode(first.namespacePath)
      #expect(try await fixture.prepare(5) == first)
      #expect(try inode(first.namespacePath) == before)
    }
  }

  @Test func whatCannotBeIsRefused() async throws {
    try await NetworkFixture.with(maximumAgents: 2) { fixture in
      _ = try await fixture.prepare(5)
      let attempts: [(Int, IPAddress, PalanaError.Code)] = [
        (5, fixture.address(6), .conflict), (6, fixture.address(5), .conflict),
        (6, fixture.configuration.gateway, .invalid), (6, .v4(0x0101_0101), .invalid), (6, .v6(0, 1), .invalid),
      ]
      for (number, address, code) in attempts {
        let error = await #expect(throws: PalanaError.self) {
          try await fixture.network.prepare(fixture.agent(number), address: address)
        }
        #expect(error?.code == code)
      }
      _ = try await fixture.prepare(6)
      let full = await #expect(throws: PalanaError.self) { try await fixture.prepare(7) }
      #expect(full?.code == .conflict)
      #expect(full?.message.contains("no more agents fit") == true)
      try await fixture.network.release(fixture.agent(6))
      _ = try await fixture.prepare(7)
    }
  }

  @Test func nothingIsLeftAfterRelease() async throws {
    try await NetworkFixture.with { fixture in
      let handle = try await fixture.prepare(5)
      try await fixture.network.release(fixture.agent(5))
      #expect(!FileManager.default.fileExists(atPath: handle.namespacePath))
      #expect(!(try await fixture.command("ip", ["-br", "link"])).contains(handle.interface))
      let neighbours = try await fixture.command(
        "ip", ["neigh", "show", "dev", fixture.configuration.bridge, "nud", "all"])
      #expect(!neighbours.contains("\(handle.address) "))
      for table in ["bridge", "inet"] {
        let rules = try await fixture.command("nft", ["list", "table", table, fixture.configuration.table])
        #expect(!rules.contains("\(handle.address) ") && !rules.contains("\(handle.address)\n"))
      }
      try await fixture.network.release(fixture.agent(5))
    }
  }

  @Test func theNamespaceHasNoIPv6AndNoOtherRoute() async throws {
    try await NetworkFixture.with { fixture in
      let handle = try await fixture.prepare(5)
      func inside(_ command: String...) async throws -> String {
        try await fixture.command("nsenter", ["--net=\(handle.namespacePath)"] + command)
      }
      #expect(try await inside("ip", "-6", "addr") == "")
      #expect(
        try await inside("ip", "-4", "route")
          == "\(fixture.configuration.gateway) dev eth0 proto static scope link src \(handle.address) ")
      #expect(
        try await inside("ip", "neigh").contains(
          "\(fixture.configuration.gateway) dev eth0 lladdr \(fixture.configuration.gatewayMAC) PERMANENT"))
      let addresses = try await fixture.command("ip", ["-6", "addr", "show", "dev", fixture.configuration.bridge])
      #expect(addresses == "")
      let port = try await fixture.command("ip", ["-6", "addr", "show", "dev", handle.interface])
      #expect(port == "")
    }
  }

  /// The daemon goes and comes: agents keep their connections, halves are removed, strangers are not touched.
  @Test func aRestartAdoptsWhatIsThere() async throws {
    try await NetworkFixture.with { fixture in
      let handle = try await fixture.prepare(5)
      let half = try await fixture.prepare(6)
      let lost = try await fixture.prepare(7)
      _ = try await fixture.prepare(8)
      _ = try await fixture.network.cut([fixture.agent(8)])
      let before = try inode(handle.namespacePath)
      try await fixture.command("umount", [half.namespacePath])
      try await fixture.command("ip", ["link", "del", lost.interface])
      let (ending, next) = try await fixture.stream(to: handle, connections: 2) { streams in
        let next = try fixture.restarted()
        let adopted = try await next.start()
        #expect(adopted.map(\.agent) == [try fixture.agent(5), try fixture.agent(8)])
        #expect(adopted.map(\.isLive) == [true, false])
        #expect(adopted[0].handle == handle)
        #expect(streams.count == 2)
        streams.close()
        return next
      }
      // They ended because the server ended them, after the restart.
      #expect(ending.reasons == ["closed", "closed"])
      #expect(try inode(handle.namespacePath) == before)
      #expect(!FileManager.default.fileExists(atPath: half.namespacePath))
      let desired = try [5, 6, 7].map { try fixture.desire($0) } + [fixture.desire(8, isCut: true)]
      #expect(try await next.reconcile(desired: desired).failures.isEmpty)
      #expect(next.list().map(\.isLive) == [true, true, true, false])
      try await fixture.withServer(port: 3128) { _ async throws in
        for number in [5, 6, 7] {
          let handle = next.list()[number - 5].handle
          let answer = try await fixture.connect(from: handle, to: fixture.configuration.gateway, port: 3128)
          #expect(answer == "hello \(fixture.address(number))")
        }
      }
    }
  }

  @Test func twoInstallationsDoNotTouchEachOther() async throws {
    try await NetworkFixture.with { one in
      let handle = try await one.prepare(5)
      let (ending, _) = try await one.stream(to: handle, connections: 1) { streams in
        try await NetworkFixture.with(isSecond: true) { two in
          let other = try await two.prepare(5)
          // One's agent and two's gateway, and the other way.
          #expect(try await one.connect(from: handle, to: two.configuration.gateway, port: 3128) == "ENETUNREACH")
          _ = try await two.network.cut([two.agent(5)])
          _ = try await two.network.reconcile(desired: [])
          #expect(!FileManager.default.fileExists(atPath: other.namespacePath))
        }
        #expect(streams.count == 1)
        streams.close()
      }
      #expect(ending.reasons == ["closed"])
      #expect(one.network.list().map(\.isLive) == [true])
      #expect(try await one.network.reconcile(desired: [one.desire(5)]).repairs == [])
    }
  }

  @Test func removingEverythingLeavesNothing() async throws {
    let (configuration, folder) = try await NetworkFixture.with { fixture in
      for number in 5..<8 { _ = try await fixture.prepare(number) }
      _ = try await fixture.network.cut([fixture.agent(6)])
      try await fixture.network.removeEverything()
      try await fixture.network.removeEverything()
      return (fixture.configuration, fixture.folder)
    }
    let fixture = NetworkFixture(
      configuration: configuration, folder: folder,
      network: try AgentNetwork(configuration: configuration, folder: folder, logger: .init(label: "test")))
    for command in [
      ["ip", "-br", "link"], ["ip", "rule"], ["nft", "list", "tables"], ["cat", "/proc/self/mountinfo"],
    ] {
      let text = try await fixture.command(command[0], Array(command.dropFirst()))
      #expect(!text.contains(configuration.prefix), "\(command)")
    }
  }

  @Test func aSubnetOfSomebodyElseIsRefused() async throws {
    try await NetworkFixture.with { fixture in
      let other = try NetworkConfiguration(
        prefix: "x" + fixture.configuration.prefix.suffix(4), subnet: fixture.configuration.subnet)
      let network = try AgentNetwork(configuration: other, folder: fixture.folder + "x", logger: .init(label: "test"))
      let error = await #expect(throws: PalanaError.self) { try await network.start() }
      try await network.removeEverything()
      #expect(error?.code == .conflict)
      #expect(error?.message.contains("overlaps") == true)
    }
  }

  /// Two hundred at once; the times are printed, not judged.
  @Test func twoHundredAgents() async throws {
    try await NetworkFixture.with { fixture in
      let clock = ContinuousClock()
      let numbers = 2..<202
      var single: [Duration] = []
      for number in 240..<250 {
        single.append(try await clock.measure { _ = try await fixture.prepare(number) })
        try await fixture.network.release(fixture.agent(number))
      }
      print("prepare one: median \(single.sorted()[5])")
      let prepared = try await clock.measure {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in numbers { group.addTask { _ = try await fixture.prepare(number) } }
          try await group.waitForAll()
        }
      }
      #expect(fixture.network.list().filter(\.isLive).count == 200)
      let desired = try numbers.map { try fixture.desire($0) }
      var repairs: [NetworkRepair] = []
      let checked = try await clock.measure { repairs = try await fixture.network.reconcile(desired: desired).repairs }
      #expect(repairs == [])
      try await fixture.withServer(port: 3128) { _ async throws in
        for number in [2, 100, 201] {
          guard let status = fixture.network.list().first(where: { $0.handle.address == fixture.address(number) })
          else { throw PalanaError(.notFound, "\(number)") }
          let answer = try await fixture.connect(from: status.handle, to: fixture.configuration.gateway, port: 3128)
          #expect(answer == "hello \(fixture.address(number))")
        }
      }
      let agents = Set(try numbers.map { try fixture.agent($0) })
      let one = try await fixture.network.cut([fixture.agent(7)])
      let all = try await fixture.network.cut(agents)
      #expect(fixture.network.list().filter(\.isLive).isEmpty)
      let released = try await clock.measure { try await fixture.network.release(agents) }
      print("prepare 200: \(prepared), reconcile 200: \(checked), release 200: \(released)")
      for (name, report) in [("1", one), ("200", all)] {
        let steps = report.outcomes.map { "\($0.step) \($0.duration)" }.joined(separator: ", ")
        print("cut \(name): \(report.total): \(steps)")
      }
    }
  }
}
