import Foundation
import Testing

/// An agent is who its network says, and nobody else.
@Suite struct IdentityTests {
  @Test func anotherAgentsTokenIsWorthNothing() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("rich", reaching: ["allowed.test"])
    try await platform.start("poor")
    let url = platform.https("allowed.test") + "/echo/stolen"
    func proxy(_ agent: String) async throws -> String {
      try await platform.pcli("exec", agent, "--", "sh", "-c", "printf %s \"$HTTPS_PROXY\"").output
    }
    let stolen = try await proxy("rich")
    #expect(try await stolen != proxy("poor"))
    let curl = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_connect}"]
    func connect(_ agent: String, _ arguments: [String]) async throws -> String {
      try await platform.pcli(["exec", agent, "--"] + curl + arguments + [url], expect: nil).output
    }
    #expect(try await connect("poor", ["-x", stolen]) == "407")
    #expect(try await connect("poor", ["-x", "http://\(platform.gateway):3128"]) == "407")
    #expect(try await connect("poor", []) == "403")
    #expect(try await connect("rich", []) == "200")
    // From this machine, which is no agent.
    let outside = try await run("/usr/bin/curl", ["-sS", "-o", "/dev/null", "-w", "%{http_connect}", "-x", stolen, url])
    #expect(outside.output != "200")
    // Only the request of the one that may came in.
    #expect(try platform.upstream.received().filter { $0["path"].string == "/echo/stolen" }.count == 1)

    // Neither its address nor its route can be changed from inside.
    let attempts = try await platform.python(
      "poor",
      """
      import socket, fcntl, struct
      def attempt(name, body):
          try:
              body()
              print(name, "done")
          except OSError:
              print(name, "refused")
      attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))
      attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      request = struct.pack("16sH2s4s8s", b"eth0", socket.AF_INET, b"", socket.inet_aton("10.1.1.1"), b"")
      attempt("address", lambda: fcntl.ioctl(s.fileno(), 0x8916, request))
      def bind():
          other = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
          other.bind(("10.1.1.1", 0))
      attempt("bind", bind)
      """)
    #expect(attempts == "raw refused\npacket refused\naddress refused\nbind refused\n")
    for agent in ["rich", "poor"] { try await platform.pcli("delete", agent, "--purge") }
  }

  @Test func agentsReachEachOtherOnlyWhereARuleSaysSo() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("caller")
    try await platform.pcli("run", "callee", "--template", "shell", "--", "python3", "-m", "http.server", "8080", "--directory", "/data")
    let address = try #require(
      try await platform.pcli("get", "agents", "callee", "-o", "json").json()["status"]["address"].string)
    func reaches() async throws -> Bool {
      try await platform.pcli(
        "exec", "caller", "--", "curl", "-sS", "--noproxy", "*", "-m", "2", "-o", "/dev/null", "http://\(address):8080/", expect: nil
      ).code == 0
    }
    #expect(try await !reaches())
    try await platform.pcli("peer", "allow", "caller", "callee", "--port", "8080")
    try await waitUntil("the rule holds", reaches)
    try await platform.pcli("peer", "rm", "caller", "callee")
    try await waitUntil("the rule is gone") { try await !reaches() }
    for agent in ["caller", "callee"] { try await platform.pcli("delete", agent, "--purge") }
  }
}
