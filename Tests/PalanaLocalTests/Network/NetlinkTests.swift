import CLinux
import PalanaCore
import PalanaPlan
import Testing

@testable import PalanaLocal

/// The bytes that go to and come from the kernel.
struct NetlinkTests {
  @Test func aMessageHasTheKernelsLayout() {
    var message = NetlinkMessage(CLNET_RTM_NEWLINK, flags: CLNET_F_CREATE, fixed: [1, 2, 3])
    message.add(CLNET_IFLA_IFNAME, text: "ab")
    message.nest(CLNET_IFLA_LINKINFO) { $0.add(CLNET_IFLA_INFO_KIND, native: 7) }
    let reply = NetlinkReply.parse(message.finished(sequence: 0x0102_0304, flags: CLNET_F_ACK))
    #expect(reply.count == 1)
    #expect(reply.first?.type == CLNET_RTM_NEWLINK)
    #expect(reply.first?.flags == CLNET_F_CREATE | CLNET_F_REQUEST | CLNET_F_ACK)
    #expect(reply.first?.sequence == 0x0102_0304)
    #expect(message.bytes.count == 16 + 4 + 8 + 4 + 8)
    let attributes = reply.first?.attributes(after: 4)
    #expect(attributes?.text(CLNET_IFLA_IFNAME) == "ab")
    #expect(attributes?.nested(CLNET_IFLA_LINKINFO).native(CLNET_IFLA_INFO_KIND) == 7)
    // Lengths do not count the padding.
    #expect(
      Array(message.bytes[20..<28])
        == [UInt8].native(UInt16(7)) + [UInt8].native(UInt16(CLNET_IFLA_IFNAME)) + [97, 98, 0, 0])
  }

  @Test func numbersInNetworkOrder() {
    #expect([UInt8].network(UInt32(0x0a4d_0005)) == [10, 77, 0, 5])
    #expect([UInt8].network(UInt16(3128)) == [12, 56])
    let bytes: [UInt8] = [10, 77, 0, 5, 9]
    #expect(bytes[...].native(UInt32.self, at: 0).bigEndian == 0x0a4d_0005)
  }

  /// Whatever stands in a datagram, reading it ends and stays inside.
  @Test func anyBytesCanBeRead() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<5000 {
      var bytes = (0..<Int.random(in: 0...120)).map { _ in UInt8.random(in: 0...255, using: &generator) }
      // Mostly small lengths, so that more than the first message is reached.
      if bytes.count >= 4, Bool.random() {
        bytes.replaceSubrange(0..<4, with: [UInt8].native(UInt32.random(in: 0...130)))
      }
      for reply in NetlinkReply.parse(bytes) {
        let attributes = reply.attributes(after: Int.random(in: 0...64))
        _ = attributes.nested(1).nested(2).text(3)
        _ = Link(reply)
        _ = RouteMessage.address(in: reply)
        _ = RouteMessage.destinationByGateway(in: reply)
        let message = FirewallMessage(table: "x")
        _ = message.keys(in: [reply])
        _ = message.counts(in: [reply], bridge: true)
        _ = message.fingerprint(of: [reply], bridge: false)
      }
    }
  }

  /// As `nft` itself writes them (recorded from its system calls).
  @Test func theKeysOfSets() {
    let agent = FirewallState.LiveAgent(
      interface: "ntx-0a4d0006", mac: MACAddress(for: 0x0a4d_0006), address: 0x0a4d_0006)
    #expect(
      FirewallElement.livePort(agent).key
        == Array("ntx-0a4d0006".utf8) + [0, 0, 0, 0, 2, 0x50, 10, 77, 0, 6, 0, 0, 10, 77, 0, 6])
    #expect(
      FirewallElement.peer(.init(from: 0x0a4d_0005, to: 0x0a4d_0006, port: 81)).key
        == [10, 77, 0, 5, 10, 77, 0, 6, 0, 81, 0, 0])
    #expect(FirewallElement.live(0x0a4d_0005).key == [10, 77, 0, 5])
    #expect(FirewallElement.hostFlow(.init(to: 0x0a4d_0005, port: 8080)).key == [10, 77, 0, 5, 31, 144, 0, 0])
  }

  @Test func manyElementsAreSplitIntoMessagesThatFit() {
    let elements = Set((0..<1200).map { FirewallElement.live(UInt32($0)) })
    let messages = FirewallMessage(table: "x").add(elements)
    #expect(messages.count == 3)
    #expect(messages.allSatisfy { $0.bytes.count < 65536 })
  }

  @Test func errorsForPeopleSayWhatToDo() {
    #expect(NetlinkError(1, "make the bridge").asPalanaError.code == .denied)
    #expect(NetlinkError(54, "make the link of demo").asPalanaError.code == .conflict)
    #expect(
      NetlinkError(22, "x", detail: "what the kernel said").asPalanaError.message.contains("what the kernel said"))
    #expect(NetlinkError(PalanaError(.invalid, "ours")).asPalanaError == PalanaError(.invalid, "ours"))
  }

  @Test func theTurnstileLetsOneThroughAtATime() async throws {
    let turnstile = Turnstile()
    let meter = Meter()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          await turnstile.pass { () async in
            await meter.enter()
            await Task.yield()
            await meter.leave()
          }
        }
      }
    }
    await #expect(throws: PalanaError.self) {
      try await turnstile.pass { () async throws in throw PalanaError(.failed, "inside") }
    }
    // A failure does not keep the next one out.
    await turnstile.pass { () async in await meter.enter() }
    #expect(await meter.most == 1)
    #expect(await meter.total == 51)
  }
}

/// How many were inside at the same time.
private actor Meter {
  private var inside = 0
  private(set) var most = 0
  private(set) var total = 0

  func enter() {
    inside += 1
    most = max(most, inside)
    total += 1
  }

  func leave() { inside -= 1 }
}
