import Foundation
import PalanaCore
import PalanaLocal
import PalanaPlan
import Testing

/// Agents that may, and may not, talk to each other.
@Suite(.enabled(if: NetworkFixture.isRoot))
struct PeeringTests {
  /// A listener inside an agent's namespace that greets every connection with its address, until the second file is there.
  private static let listener = """
    import os, select, socket, sys
    servers = [socket.create_server(("0.0.0.0", int(port))) for port in sys.argv[3:]]
    kept = []
    open(sys.argv[1], "w").close()
    while not os.path.exists(sys.argv[2]):
        for server in select.select(servers, [], [], 0.01)[0]:
            s, peer = server.accept()
            s.sendall(("hello " + peer[0]).encode())
            kept.append(s)
    """

  private func withListener<Value>(
    _ fixture: NetworkFixture, in handle: NetworkHandle, ports: [Int], _ body: () async throws -> Value
  ) async throws -> Value {
    let files = ["ready", "stop"].map { "/tmp/net-\(fixture.configuration.prefix)/\($0)-\(handle.interface)" }
    for file in files { try? FileManager.default.removeItem(atPath: file) }
    async let end = fixture.python(Self.listener, files + ports.map(String.init), in: handle.namespacePath)
    try await Self.wait(for: files[0])
    let result: Result<Value, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    _ = FileManager.default.createFile(atPath: files[1], contents: nil)
    _ = try await end
    return try result.get()
  }

  /// Returns when the file is there.
  private static func wait(for file: String) async throws {
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(2)) }
  }

  private func forwarding(_ fixture: NetworkFixture) throws -> String {
    try String(
      contentsOfFile: "/proc/sys/net/ipv4/conf/\(fixture.configuration.bridge)/forwarding", encoding: .utf8
    ).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  @Test func onlyTheRuleOpensAndOnlyInItsDirection() async throws {
    try await NetworkFixture.with { fixture in
      let a = try await fixture.prepare(5)
      let b = try await fixture.prepare(6)
      let c = try await fixture.prepare(7)
      try await withListener(fixture, in: b, ports: [80, 81]) { () async throws in
        try await withListener(fixture, in: a, ports: [80]) { () async throws in
          #expect(try forwarding(fixture) == "0")
          #expect(try await fixture.connect(from: a, to: b.address, port: 80) == "ENETUNREACH")
          let rule = PeerRule(from: try fixture.agent(5), to: try fixture.agent(6), port: 80)
          try await fixture.network.setPeers([rule])
          #expect(try forwarding(fixture) == "1")
          #expect(try await fixture.connect(from: a, to: b.address, port: 80) == "hello \(a.address)")
          #expect(try await fixture.connect(from: a, to: b.address, port: 81) == "ECONNREFUSED")
          #expect(try await fixture.connect(from: b, to: a.address, port: 80) == "ECONNREFUSED")
          #expect(try await fixture.connect(from: c, to: b.address, port: 80) == "ENETUNREACH")
          // Without either of them being live there is nothing.
          _ = try await fixture.network.cut([fixture.agent(6)])
          #expect(try await fixture.connect(from: a, to: b.address, port: 80, patience: 0.3) != "hello \(a.address)")
          try await fixture.network.restore([fixture.agent(6)])
          #expect(try await fixture.connect(from: a, to: b.address, port: 80) == "hello \(a.address)")
          try await fixture.network.setPeers([])
          #expect(try forwarding(fixture) == "0")
          #expect(try await fixture.connect(from: a, to: b.address, port: 80) == "ENETUNREACH")
        }
      }
    }
  }

  @Test func aRuleForAnAgentToComeTakesEffectWhenItComes() async throws {
    try await NetworkFixture.with { fixture in
      let a = try await fixture.prepare(5)
      try await fixture.network.setPeers([PeerRule(from: try fixture.agent(5), to: try fixture.agent(6), port: 80)])
      #expect(try await fixture.connect(from: a, to: fixture.address(6), port: 80) == "ENETUNREACH")
      let b = try await fixture.prepare(6)
      try await withListener(fixture, in: b, ports: [80]) { () async throws in
        #expect(try await fixture.connect(from: a, to: b.address, port: 80) == "hello \(a.address)")
      }
      // Its address goes to another agent, which inherits nothing.
      try await fixture.network.release(fixture.agent(6))
      #expect(try await fixture.connect(from: a, to: fixture.address(6), port: 80) == "ENETUNREACH")
      let other = try await fixture.network.prepare(fixture.agent(66), address: fixture.address(6))
      try await withListener(fixture, in: other, ports: [80]) { () async throws in
        #expect(try await fixture.connect(from: a, to: other.address, port: 80) == "ENETUNREACH")
      }
    }
  }

  /// The end of a rule, and a cut of either side, end an open connection.
  @Test(arguments: ["rule", "cut from", "cut to"])
  func anOpenConnectionBetweenPeersEnds(_ cause: String) async throws {
    try await NetworkFixture.with { fixture in
      let a = try await fixture.prepare(5)
      let b = try await fixture.prepare(6)
      try await fixture.network.setPeers([PeerRule(from: try fixture.agent(5), to: try fixture.agent(6), port: 80)])
      let script = """
        import errno, socket, sys
        s = socket.create_connection((sys.argv[1], 80), 5)
        s.recv(100)
        open(sys.argv[2], "w").close()
        s.settimeout(1)
        try: print(s.recv(100) or "closed")
        except socket.timeout: print("silence")
        except OSError as e: print(errno.errorcode[e.errno])
        """
      let flag = "/tmp/net-\(fixture.configuration.prefix)/connected"
      try await withListener(fixture, in: b, ports: [80]) { () async throws in
        async let answer = fixture.python(script, ["\(b.address)", flag], in: a.namespacePath)
        try await Self.wait(for: flag)
        switch cause {
        case "rule": try await fixture.network.setPeers([])
        case "cut from": _ = try await fixture.network.cut([fixture.agent(5)])
        default: _ = try await fixture.network.cut([fixture.agent(6)])
        }
        // A rule that goes is not a kill: nothing passes any more, and the two notice by themselves.
        let expected = [
          "rule": ["silence", "EHOSTUNREACH", "ENETUNREACH"], "cut from": ["ECONNABORTED"], "cut to": ["ECONNRESET"],
        ]
        let seen = try await answer
        #expect(expected[cause]?.contains(seen) == true, "\(seen)")
      }
    }
  }

  @Test func theDaemonReachesOnlyThePortsThatItMay() async throws {
    try await NetworkFixture.with { fixture in
      let a = try await fixture.prepare(5)
      let script = """
        import os, socket, sys
        os.setuid(int(sys.argv[3]))
        s = socket.socket(); s.settimeout(0.4)
        try:
            s.bind((sys.argv[4], 0)); s.connect((sys.argv[1], int(sys.argv[2]))); print(s.recv(100).decode())
        except OSError as e: print(type(e).__name__)
        """
      let gateway = "\(fixture.configuration.gateway)"
      try await withListener(fixture, in: a, ports: [8080, 8081]) { () async throws in
        func call(_ port: Int, user: Int = 0, from source: String) async throws -> String {
          try await fixture.python(script, ["\(a.address)", "\(port)", "\(user)", source])
        }
        #expect(try await call(8080, from: gateway) != "hello \(gateway)")
        try await fixture.network.setHostAccess([HostAccess(agent: try fixture.agent(5), port: 8080)])
        #expect(try await call(8080, from: gateway) == "hello \(gateway)")
        #expect(try await call(8081, from: gateway) != "hello \(gateway)")
        // Another user of this machine does not get to an agent past the login.
        #expect(try await call(8080, user: 65534, from: gateway) != "hello \(gateway)")
        _ = try await fixture.network.cut([fixture.agent(5)])
        #expect(try await call(8080, from: gateway) != "hello \(gateway)")
      }
    }
  }
}
