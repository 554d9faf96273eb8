import Foundation
import Testing

/// What leaves a sandbox, seen from inside it and from the upstream.
@Suite struct EgressTests {
  @Test func whatIsAllowedPassesAndTheRestIsRefusedWithAReason() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("reach", reaching: ["allowed.test"])
    let allowed = try await platform.ask("reach", platform.https("allowed.test") + "/echo/a")
    #expect(allowed.status == 200 && allowed.reason == nil)
    #expect(try JSON(parsing: allowed.body)["path"].string == "/echo/a")

    let denied = try await platform.ask("reach", platform.https("other.test") + "/echo")
    #expect(denied.status == 403)
    let body = try JSON(parsing: denied.body)
    #expect(body["error"].string == "egress_denied")
    #expect(body["reason"].string == "host_not_allowed")
    #expect(body["host"].string == "other.test")
    #expect(body["request_id"].string?.isEmpty == false)

    // An ordinary program needs nothing but its environment.
    let curl = try await platform.pcli(
      "exec", "reach", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", platform.https("allowed.test") + "/echo")
    #expect(curl.output == "200")

    // A rule that comes while it runs holds for the next request.
    try await platform.pcli("egress", "allow", "reach", "other.test:\(platform.upstream.httpsPort)")
    #expect(try await platform.ask("reach", platform.https("other.test") + "/echo").status == 200)
    try await platform.pcli("egress", "deny", "reach", "other.test:\(platform.upstream.httpsPort)")
    #expect(try await platform.ask("reach", platform.https("other.test") + "/echo").reason == "policy_denied")
    try await platform.pcli("delete", "reach", "--purge")
  }

  /// Commands and manifests alike return when the gateway decides with them. Several rounds, because a race is lost only now and then.
  @Test func aChangeOfRulesHoldsWhenTheCommandHasReturned() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("prompt")
    let (host, port) = ("allowed.test", platform.upstream.httpsPort)
    let url = platform.https(host) + "/echo"
    func reason() async throws -> String? { try await platform.ask("prompt", url).reason }
    let policy = """
      apiVersion: palana.dev/v1alpha1
      kind: EgressPolicy
      metadata: {name: prompt}
      spec: {selector: {agents: [prompt]}, rules: [{host: \(host), ports: [\(port)], action: deny}]}
      """
    for _ in 0..<5 {
      let allow = try await platform.pcli("egress", "allow", "prompt", "\(host):\(port)", "-o", "json").json()
      #expect(try await reason() == nil)
      let deny = try await platform.pcli("egress", "deny", "prompt", "\(host):\(port)", "-o", "json").json()
      #expect(try await reason() == "policy_denied")
      try await platform.pcli("egress", "rm", "prompt", try #require(deny["rule"]["id"].string))
      #expect(try await reason() == nil)
      try await platform.pcli("apply", "-f", "-", input: policy)
      #expect(try await reason() == "policy_denied")
      try await platform.pcli("delete", "egresspolicy/prompt")
      #expect(try await reason() == nil)
      try await platform.pcli("egress", "rm", "prompt", try #require(allow["rule"]["id"].string))
      #expect(try await reason() == "host_not_allowed")
    }
    try await platform.pcli("delete", "prompt", "--purge")
  }

  @Test func placeholdersBecomeValuesOnlyWhereTheyAreBound() async throws {
    let platform = try await Platform.shared.get()
    let allowed = "allowed.test:\(platform.upstream.httpsPort)"
    try await platform.pcli("create", "holder", "--template", "shell")
    for host in ["allowed.test", "other.test"] {
      try await platform.pcli("egress", "allow", "holder", "\(host):\(platform.upstream.httpsPort)")
    }
    try await platform.pcli("secrets", "add", "holder", "HDR", "token=-", "--host", allowed, input: "first-value-of-it")
    try await platform.pcli(
      "secrets", "add", "holder", "BAS", "password=-", "--host", allowed, "--in", "basic", input: "basic-value-of-it")
    try await platform.pcli("run", "holder")
    #expect(try await platform.pcli("exec", "holder", "--", "sh", "-c", "echo $HDR $BAS").output == "TOKEN_HDR TOKEN_BAS\n")

    let bearer = [["authorization", "Bearer TOKEN_HDR"]]
    let basic = [["authorization", "Basic " + Data("user:TOKEN_BAS".utf8).base64EncodedString()]]
    let answers = try await platform.ask(
      "holder",
      [
        Ask(url: platform.https("allowed.test") + "/echo/header", headers: bearer),
        Ask(url: platform.https("allowed.test") + "/echo/basic", headers: basic),
        Ask(url: platform.https("other.test") + "/echo/unbound", headers: bearer),
      ])
    #expect(answers.map(\.status) == [200, 200, 403])
    #expect(answers[2].reason == "secret_not_bound")
    // What an upstream sends back of it does not reach the agent either.
    #expect(!answers[0].body.contains("first-value-of-it"))

    #expect(try authorization(platform, "/echo/header") == ["Bearer first-value-of-it"])
    #expect(
      try authorization(platform, "/echo/basic") == ["Basic " + Data("user:basic-value-of-it".utf8).base64EncodedString()])
    #expect(try authorization(platform, "/echo/unbound") == [])

    // A new value is used without a restart.
    try await platform.pcli("secrets", "rotate", "holder", "HDR", "token=-", input: "second-value-of-it")
    #expect(try await platform.ask("holder", platform.https("allowed.test") + "/echo/rotated", headers: bearer).status == 200)
    #expect(try authorization(platform, "/echo/rotated") == ["Bearer second-value-of-it"])
    try await platform.pcli("delete", "holder", "--purge")
  }

  @Test func everyRequestHasExactlyOneEvent() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("counted", reaching: ["allowed.test"])
    var asks = (0..<8).map { Ask(url: platform.https("allowed.test") + "/echo/counted/\($0)") }
    asks += (0..<4).map { Ask(url: platform.https("other.test") + "/echo/counted/\($0)") }
    _ = try await platform.ask("counted", asks)
    // Several requests on one connection are several requests.
    let reused = (0..<3).map { platform.https("allowed.test") + "/status/20\($0)" }
    try await platform.pcli(["exec", "counted", "--", "curl", "-sS"] + reused)
    try await waitUntil("the events are stored") { try await platform.egressEvents("counted").count >= 15 }
    let events = try await platform.egressEvents("counted")
    #expect(events.count == 15)
    #expect(events.filter { $0["decision"].string == "deny" }.count == 4)
    let paths = events.compactMap { $0["request"]["path"].string }
    #expect(Set(paths).count == 11)
    #expect(events.allSatisfy { $0["agent"]["name"].string == "counted" })
    try await platform.pcli("delete", "counted", "--purge")
  }

  @Test func nothingLeavesBesideTheGateway() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("raw", reaching: ["allowed.test"])
    let output = try await platform.python(
      "raw",
      """
      import socket
      def tcp(host, port):
          try:
              s = socket.create_connection((host, port), 2)
              s.send(b"\\0hello")
              return "answered" if s.recv(1) else "none"
          except OSError:
              return "none"
      def udp(host, port):
          s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
          s.settimeout(1)
          try:
              s.sendto(b"x", (host, port))
              s.recv(1)
              return "answered"
          except OSError:
              return "none"
      def name(host):
          try:
              socket.getaddrinfo(host, 443)
              return "resolved"
          except OSError:
              return "none"
      print(tcp("192.0.2.7", 443), tcp("169.254.169.254", 80), tcp("\(platform.upstream.address)", \(platform.upstream.httpPort)),
            tcp("\(platform.gateway)", 22), udp("192.0.2.7", 53), udp("169.254.169.254", 53), udp("\(platform.gateway)", 53),
            name("evil.test"), name("allowed.test"))
      """)
    #expect(output == "none none none none none none none none resolved\n")
    let metadata = try await platform.ask("raw", "http://169.254.169.254/latest/meta-data")
    #expect(metadata.reason == "address_not_allowed")
    try await platform.pcli("delete", "raw", "--purge")
  }

  /// Every `Authorization` value that came in at a path.
  private func authorization(_ platform: Platform, _ path: String) throws -> [String] {
    try platform.upstream.received().filter { $0["path"].string == path }.flatMap { request in
      request["headers"].array.filter { $0[0].string?.lowercased() == "authorization" }.compactMap { $0[1].string }
    }
  }
}
