import CLinux
import PalanaCore
import PalanaPlan
import Synchronization
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
    #expect(Array(message.bytes[20..<28]) == .native(UInt16(7)) + .native(UInt16(CLNET_IFLA_IFNAME)) + [97, 98, 0, 0])
  }

  @Test func numbersInNetworkOrder() {
    #expect([UInt8].network(UInt32(0x0a4d_0005)) == [10, 77, 0, 5])
    #expect([UInt8].network(UInt16(3128)) == [12, 56])
    #expect([10, 77, 0, 5, 9][...].native(UInt32.self, at: 0).bigEndian == 0x0a4d_0005)
  }

  /// Whatever stands in a datagram, reading it ends and stays inside.
  @Test func anyBytesCanBeRead() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<5000 {
      var bytes = (0..<Int.random(in: 0...120)).map { _ in UInt8.random(in: 0...255, using: &generator) }
      // Mostly small lengths, so that more than the first message is reached.
      if bytes.count >= 4, Bool.random() { bytes.replaceSubrange(0..<4, with: .native(UInt32.random(in: 0...130))) }
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
    #expect(NetlinkError(22, "x", detail: "what the kernel said").asPalanaError.message.contains("what the kernel said"))
    #expect(NetlinkError(PalanaError(.invalid, "ours")).asPalanaError == PalanaError(.invalid, "ours"))
  }

  @Test func theTurnstileLetsOneThroughAtATimeInOrder() async throws {
    let turnstile = Turnstile()
    let inside = Mutex(0)
    let count = Mutex(0)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try await turnstile.pass { () async throws in
            #expect(inside.withLock { $0 += 1; return $0 } == 1)
            await Task.yield()
            inside.withLock { $0 -= 1 }
            count.withLock { $0 += 1 }
          }
        }
      }
      try await group.waitForAll()
    }
    await #expect(throws: PalanaError.self) {
      try await turnstile.pass { () async throws in throw PalanaError(.failed, "inside") }
    }
    // A failure does not keep the next one out.
    await turnstile.pass { () async in count.withLock { $0 += 1 } }
    #expect(count.withLock { $0 } == 51)
  }
}
