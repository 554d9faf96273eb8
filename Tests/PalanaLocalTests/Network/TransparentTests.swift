import Foundation
import NIOCore
import NIOPosix
import PalanaCore
import PalanaLocal
import PalanaPlan
import Testing

/// What agents send past the proxy variables, in the real kernel.
@Suite(.enabled(if: NetworkFixture.isRoot))
struct TransparentTests {
  private static let port = 3129

  private static func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

  private func with(_ body: (NetworkFixture) async throws -> Void) async throws {
    try await NetworkFixture.with(transparentPort: Self.port, body)
  }

  /// What UDP to an address from inside a namespace comes to: the answer, or the name of the error.
  private func udp(_ fixture: NetworkFixture, from handle: NetworkHandle, to address: String, port: Int) async throws -> String {
    let script = """
      import errno, socket, sys
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      s.settimeout(0.4)
      try:
          s.connect((sys.argv[1], int(sys.argv[2])))
          s.send(b"ping")
          print(s.recv(200).decode())
      except socket.timeout:
          print("timeout")
      except OSError as e:
          print(errno.errorcode.get(e.errno, str(e)))
      """
    return try await fixture.python(script, [address, "\(port)"], in: handle.namespacePath)
  }

  @Test(arguments: [("198.18.0.5", 443), ("93.184.216.34", 8443), ("169.254.169.254", 80), ("192.168.77.9", 22)])
  func tcpBeyondTheSubnetReachesTheListenerWithItsDestination(_ address: String, _ port: Int) async throws {
    try await with { fixture in
      let handle = try await fixture.prepare(5)
      try await fixture.withListener(port: Self.port) {
        let answer = try await fixture.connect(from: handle, to: Self.ip(address), port: port)
        #expect(answer == "\(fixture.address(5)) to \(address):\(port)")
      }
      // Without the listener it is refused at once.
      #expect(try await fixture.connect(from: handle, to: Self.ip(address), port: port) == "ECONNREFUSED")
    }
  }

  @Test func nothingElseIsOpened() async throws {
    try await with { fixture in
      let handle = try await fixture.prepare(5)
      let neighbour = try await fixture.prepare(6)
      let gateway = fixture.configuration.gateway
      try await fixture.withListener(port: Self.port) {
        // The listener's own port, other ports of the gateway, the neighbour, the link's loopback.
        #expect(try await fixture.connect(from: handle, to: gateway, port: Self.port) == "ECONNREFUSED")
        #expect(try await fixture.connect(from: handle, to: gateway, port: 22) == "ECONNREFUSED")
        #expect(try await fixture.connect(from: handle, to: neighbour.address, port: 80) == "EACCES")
        #expect(try await udp(fixture, from: handle, to: "224.0.0.251", port: 5353) == "EACCES")
        #expect(try await udp(fixture, from: handle, to: "255.255.255.255", port: 67) == "EACCES")
        // QUIC, other name servers, other ports of the gateway.
        #expect(try await udp(fixture, from: handle, to: "198.18.0.5", port: 443) == "ECONNREFUSED")
        #expect(try await udp(fixture, from: handle, to: "9.9.9.9", port: 53) == "ECONNREFUSED")
        #expect(try await udp(fixture, from: handle, to: "\(gateway)", port: 54) == "timeout")
        let ping = try await fixture.python(
          """
          import socket
          s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
          s.settimeout(0.4)
          s.sendto(bytes([8, 0, 0xf7, 0xfe, 0, 1, 0, 0]), ("198.18.0.5", 0))
          try: print(s.recv(200)[20])
          except OSError as e: print("nothing")
          """, [], in: handle.namespacePath)
        #expect(ping == "nothing")
      }
    }
  }

  @Test func theResolverIsReached() async throws {
    try await with { fixture in
      let handle = try await fixture.prepare(5)
      let gateway = fixture.configuration.gateway
      let server = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Echo()) }
        }
        .bind(host: "\(gateway)", port: 53).get()
      #expect(try await udp(fixture, from: handle, to: "\(gateway)", port: 53) == "ping")
      _ = try await fixture.network.cut([fixture.agent(5)])
      #expect(try await udp(fixture, from: handle, to: "\(gateway)", port: 53) == "timeout")
      try await server.close()
    }
  }

  /// A hostile agent with every capability, as in ``AttackTests``: the redirection makes nobody else reachable.
  @Test func theAttacksStillFail() async throws {
    try await with { fixture in
      let outcome = try await AttackTests().attack(fixture)
      #expect(outcome.control == ["a": "hello \(fixture.address(5))", "b": "hello \(fixture.address(6))"])
      for (name, who) in outcome.attacks {
        let allowed = AttackTests.seenOnTheBridge.contains(name) ? ["blocked", "bridge"] : ["blocked"]
        #expect(allowed.contains(who), "\(name) reached \(who)")
      }
      #expect(outcome.others.filter { $0 != ("ping", "bridge") } == [:])
      let expected = [
        "tcp to another port of the gateway": "ECONNREFUSED", "tcp to another agent": "EACCES",
        "tcp to the host": "ECONNREFUSED", "tcp beyond the host": "ECONNREFUSED", "routed: tcp to another agent": "EACCES",
        "routed: tcp beyond the host": "ECONNREFUSED",
      ]
      for (name, answer) in expected { #expect(outcome.sockets[name] == answer, "\(name)") }
      #expect(try await fixture.network.reconcile(desired: [fixture.desire(5), fixture.desire(6)]).repairs == [])
    }
  }

  /// The tracker still knows the flow after a kill; nothing of it passes, not even when the agent is let back.
  @Test func aKillEndsWhatWasRedirected() async throws {
    try await with { fixture in
      let handle = try await fixture.prepare(5)
      let (ending, start) = try await fixture.stream(
        to: handle, connections: 5, port: Self.port, towards: ("198.18.0.5", 443)
      ) { streams in
        let start = NetworkFixture.monotonic()
        _ = try await fixture.network.cut([fixture.agent(5)])
        try await fixture.network.restore([fixture.agent(5)])
        return start
      }
      #expect(ending.reasons == [String](repeating: "ECONNRESET", count: 5))
      #expect(Double(ending.lastByte - start) / 1e6 < 250)
    }
  }

  /// The firewall alone holds a tracked flow back, whatever the sockets do.
  @Test func aTrackedFlowOfADeadAgentIsDropped() async throws {
    try await with { fixture in
      let handle = try await fixture.prepare(5)
      let table = fixture.configuration.table
      try await fixture.withListener(port: Self.port) {
        let script = """
          import socket, subprocess, sys
          s = socket.create_connection((sys.argv[1], 443), 5)
          s.settimeout(0.5)
          s.recv(200)
          s.send(b"one")
          print(s.recv(200).decode())
          subprocess.run(["nsenter", "--net=/proc/" + sys.argv[2] + "/ns/net", "nft",
                          "delete", "element", "inet", sys.argv[3], "live", "{", sys.argv[4], "}"], check=True)
          s.send(b"two")
          try: print(s.recv(200).decode())
          except socket.timeout: print("timeout")
          """
        let answer = try await fixture.python(
          script, ["198.18.0.5", "\(getpid())", table, "\(handle.address)"], in: handle.namespacePath)
        #expect(answer == "one\ntimeout")
      }
    }
  }

  /// One agent cannot fill the connection tracker; its neighbour does not notice.
  @Test func openingsAreLimitedForEachAgent() async throws {
    try await with { fixture in
      let handle = try await fixture.prepare(5)
      let neighbour = try await fixture.prepare(6)
      try await fixture.withListener(port: Self.port) {
        let script = """
          import errno, resource, select, socket
          resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
          sockets = []
          for index in range(1500):
              s = socket.socket(); s.setblocking(False); sockets.append(s)
              s.connect_ex(("198.18.%d.%d" % (index // 250, index % 250 + 1), 443))
          refused = 0
          for s in sockets:
              wait = select.poll(); wait.register(s, select.POLLOUT); wait.poll(5000)
              refused += s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
          print(refused)
          """
        let refused = try await fixture.python(script, [], in: handle.namespacePath)
        #expect((Int(refused) ?? 0) > 300)
        let other = try await fixture.connect(from: neighbour, to: Self.ip("198.18.0.9"), port: 443)
        #expect(other == "\(neighbour.address) to 198.18.0.9:443")
      }
    }
  }

  /// The next daemon has it switched off: the routes and the rules go.
  @Test func switchedOffItIsGone() async throws {
    try await with { fixture in
      let handle = try await fixture.prepare(5)
      let same = fixture.configuration
      let plain = try NetworkConfiguration(
        prefix: same.prefix, subnet: same.subnet, gatewayPorts: same.gatewayPorts, maximumAgents: same.maximumAgents)
      let next = try fixture.restarted(as: plain)
      _ = try await next.start()
      #expect(try await next.reconcile(desired: [fixture.desire(5)]).failures.isEmpty)
      try await fixture.withListener(port: Self.port) { () async throws in
        for address in ["198.18.0.5", "93.184.216.34"] {
          #expect(try await fixture.connect(from: handle, to: Self.ip(address), port: 443) == "ENETUNREACH")
        }
      }
      let routes = try await fixture.command("nsenter", ["--net=\(handle.namespacePath)", "ip", "-4", "route"])
      #expect(routes == "\(same.gateway) dev eth0 proto static scope link src \(handle.address) ")
    }
  }
}

/// Sends back what it gets.
private final class Echo: ChannelInboundHandler {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>
  func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.writeAndFlush(data, promise: nil) }
}

/// Says who is calling, and whom the caller wanted; then sends back what it gets.
private final class Destinations: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  func channelActive(context: ChannelHandlerContext) {
    let who = context.remoteAddress?.ipAddress ?? "nobody"
    guard let options = context.channel as? any SocketOptionProvider else { return context.close(promise: nil) }
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    let wanted: EventLoopFuture<sockaddr_in> = options.unsafeGetSocketOption(level: .ip, name: .init(rawValue: 80))
    wanted.whenComplete { result in
      let context = bound.value
      var text = "nothing"
      if let address = try? result.get() {
        text = "\(IPAddress.v4(UInt32(bigEndian: address.sin_addr.s_addr))):\(UInt16(bigEndian: address.sin_port))"
      }
      context.writeAndFlush(NIOAny(context.channel.allocator.buffer(string: "\(who) to \(text)")), promise: nil)
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.writeAndFlush(data, promise: nil) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension NetworkFixture {
  /// Runs `body` while a listener for redirected connections stands at the gateway's address.
  func withListener(port: Int, _ body: () async throws -> Void) async throws {
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.backlog, value: 1024)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Destinations()) }
      }
      .bind(host: "\(configuration.gateway)", port: port).get()
    let result: Result<Void, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    try await server.close()
    try result.get()
  }
}
