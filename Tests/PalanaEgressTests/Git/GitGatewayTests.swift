import FoundationEssentials
import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// Requests of Git over real sockets: what reaches the upstream, what git is told, and the event of each.
@Suite(.timeLimit(.minutes(10)))
struct GitGatewayTests {
  private static let zero = String(repeating: "0", count: 40)
  private static let one = String(repeating: "1", count: 40)

  private static func packets(_ lines: [String?], then rest: String = "") -> String {
    var buffer = ByteBuffer()
    for line in lines {
      if let line { PktLine.write(Array(line.utf8), into: &buffer) } else { buffer.writeString("0000") }
    }
    return String(buffer: buffer) + rest
  }

  /// A push of these refs with a pack behind the commands.
  private static func push(_ refs: [String], capabilities: String = "report-status side-band-64k", pack: String = "PACKdata") -> String {
    let lines = refs.enumerated().map { "\(zero) \(one) \($1)" + ($0 == 0 ? "\u{0} \(capabilities)" : "") }
    return packets(lines + [nil], then: pack)
  }

  /// Answers with the body that it received.
  private static let mirror: Upstream.Script = { wire, upstream in
    while let head = try await wire.head() {
      let request = Response(head)
      var body = ""
      if let length = request["content-length"].flatMap({ Int($0) }) { body = try await wire.text(length) ?? "" }
      if request["transfer-encoding"] == "chunked" { body = try await wire.chunks() }
      upstream.note(head + body)
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    }
  }

  private static func run(
    _ rules: [GitRule], deny: [GitRule] = [], everything: Bool = false,
    _ body: @Sendable (GatewayFixture, Upstream) async throws -> Void
  ) async throws {
    var options = GatewayFixture.Options()
    options.script = mirror
    try await GatewayFixture.run(options) { fixture, upstream in
      let ports = [Int(fixture.upstreamPort)]
      var list = rules.enumerated().map { EgressRule(id: "g\($0)", host: "allowed.test", ports: ports, git: $1) }
      list += deny.enumerated().map { EgressRule(id: "d\($0)", action: .deny, host: "allowed.test", ports: ports, git: $1) }
      if everything { list.append(EgressRule(id: "all", host: "allowed.test", ports: ports)) }
      let agent = try fixture.agent(
        "a", source: "127.0.1.1", token: GatewayFixture.tokenA, rules: list, bindings: [try fixture.binding()])
      await fixture.gateway.apply(try EgressSnapshot(version: 2, agents: [agent]))
      try await body(fixture, upstream)
    }
  }

  private static func head(_ fixture: GatewayFixture, _ path: String, length: Int?, _ fields: [String] = []) -> String {
    let service = path.hasSuffix("receive-pack") ? "receive" : "upload"
    let framing = length.map { "content-length: \($0)" } ?? "transfer-encoding: chunked"
    let more = fields.map { $0 + "\r\n" }.joined()
    return "POST \(path) HTTP/1.1\r\nhost: allowed.test:\(fixture.upstreamPort)\r\n"
      + "content-type: application/x-git-\(service)-pack-request\r\n\(framing)\r\n\(more)\r\n"
  }

  // MARK: Events

  @Test func everyOperationHasItsEvent() async throws {
    try await Self.run([GitRule(repo: "**", push: true)]) { fixture, upstream in
      let wants = Self.packets(["want \(Self.one)\n", nil, "done\n"])
      let haves = Self.packets(["command=fetch", "want \(Self.one)\n", "have \(Self.zero)\n", nil])
      let list = Self.packets(["command=ls-refs\n", nil])
      let push = Self.push(["refs/heads/a", "refs/tags/v1"])
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/o/n.git/info/refs?service=git-upload-pack", "git-protocol: version=2"))
        #expect(try await wire.response()?.status == 200)
        for (path, body) in [("/o/n.git/git-upload-pack", wants), ("/o/n/git-upload-pack", haves), ("/o/n/git-upload-pack", list)] {
          try await wire.send(Self.head(fixture, path, length: body.utf8.count) + body)
          #expect(try await wire.response()?.status == 200)
        }
        try await wire.send(fixture.request("/o/n/info/refs?service=git-receive-pack"))
        #expect(try await wire.response()?.status == 200)
        try await wire.send(
          Self.head(
            fixture, "/o/n/git-receive-pack", length: push.utf8.count, ["authorization: Bearer \(GatewayFixture.placeholder)"]) + push)
        #expect(try await wire.response()?.status == 200)
      }
      let events = fixture.requestEvents
      #expect(events.map(\.action) == ["list", "clone", "fetch", "list", "list", "push"])
      for event in events {
        #expect(event.component == .git && event.decision == .allow)
        #expect(event.details["repository"] == "allowed.test:\(fixture.upstreamPort)/o/n")
      }
      #expect(events.map { $0.details["operation"] } == ["fetch", "fetch", "fetch", "fetch", "push", "push"])
      #expect(events[0].details["protocol"] == "version=2" && events[1].details["protocol"] == nil)
      let pushed = events[5]
      #expect(pushed.details["refs"] == "2" && pushed.secrets == ["GITHUB_PAT"])
      #expect(pushed.details["ref.1"] == "create \(Self.zero) \(Self.one) refs/heads/a")
      #expect(pushed.details["ref.2"] == "create \(Self.zero) \(Self.one) refs/tags/v1")
      #expect(pushed.bytesSent == Int64(push.utf8.count))
      // What the upstream got is what was sent, with the credential.
      let last = try #require(upstream.requests.last)
      #expect(last.hasSuffix(push) && last.contains(GatewayFixture.canary))
    }
  }

  /// What a client says when it wants something and has nothing, in gzip.
  private static let packedClone =
    "H4sIAAAAAAACAzMwMDYqT8wrUTAkEnAZQIBlSn5eKhcAM3QpbT8AAAA="

  @Test func aCompressedCloneIsRead() async throws {
    let bytes = Array(try #require(Data(base64Encoded: Self.packedClone)))
    try await Self.run([GitRule(repo: "o/n")]) { fixture, upstream in
      for (body, action) in [(bytes, "clone"), (Array("no gzip at all".utf8), "fetch")] {
        try await fixture.tunnel { wire in
          try await wire.send(Self.head(fixture, "/o/n/git-upload-pack", length: body.count, ["content-encoding: gzip"]))
          try await wire.send(body)
          #expect(try await wire.response()?.status == 200)
        }
        #expect(fixture.requestEvents.last?.action == action)
      }
      #expect(upstream.requests.count == 2)
    }
  }

  /// What comes while the push is decided on, its values are fetched and the upstream is dialled waits in its order.
  @Test func aLargePushOverHTTP2ArrivesAsItWasSent() async throws {
    try await Self.run([GitRule(repo: "**", push: true)]) { fixture, upstream in
      let pack = (0..<50_000).map { "\($0) " }.joined()
      let push = Self.push(["refs/heads/a"], pack: pack)
      for size in [16_384, 16_000, 5_000, 1_777] {
        try await fixture.http2 { wire in
          let fields = fixture.fields(
            "/o/n/git-receive-pack", method: "POST", ("content-type", "application/x-git-receive-pack-request"),
            ("authorization", "Bearer \(GatewayFixture.placeholder)"))
          try await wire.headers(fields, 1, ends: false)
          #expect(try await wire.upload(push, 1, pieces: size))
          let answer = try await wire.answer(1)
          #expect(answer.status == 200)
        }
        #expect(upstream.requests.last?.hasSuffix("\r\n\r\n" + push) == true, "\(size)")
      }
    }
  }

  @Test func manyRefsAreCountedAndSomeAreNamed() async throws {
    try await Self.run([GitRule(repo: "**", push: true)]) { fixture, upstream in
      let push = Self.push((0..<500).map { "refs/heads/branch-\($0)" })
      try await fixture.tunnel { wire in
        try await wire.send(Self.head(fixture, "/o/n/git-receive-pack", length: push.utf8.count) + push)
        #expect(try await wire.response()?.status == 200)
      }
      let event = try #require(fixture.requestEvents.first)
      #expect(event.details["refs"] == "500" && event.details.keys.filter { $0.hasPrefix("ref.") }.count == 16)
      #expect(upstream.requests.first?.hasSuffix(push) == true)
    }
  }

  // MARK: Decisions

  @Test func whatNoRuleAllowsIsRefusedAndShown() async throws {
    try await Self.run([GitRule(repo: "o/*")]) { fixture, upstream in
      for (path, reason) in [
        ("/o/n/info/refs?service=git-receive-pack", "git_not_allowed"), ("/x/n/info/refs?service=git-upload-pack", "git_not_allowed"),
        ("/o/n", "path_not_allowed"), ("/o/n/info/refs", "path_not_allowed"),
        ("/o/n//info/refs?service=git-upload-pack", "malformed_request"),
      ] {
        try await fixture.tunnel { wire in
          try await wire.send(fixture.request(path))
          let response = try #require(try await wire.response())
          #expect(response.status == (reason == "malformed_request" ? 400 : 403), "\(path)")
          #expect(response.body.contains("\"reason\":\"\(reason)\""), "\(path): \(response.body)")
          // Git shows plain text to its user, and nothing else.
          if reason == "git_not_allowed" { #expect(response["content-type"] == "text/plain") }
        }
      }
      #expect(upstream.requests.isEmpty)
      #expect(fixture.requestEvents.count == 5)
      let first = try #require(fixture.requestEvents.first)
      #expect(first.component == .git && first.decision == .deny && first.details["operation"] == "push")
    }
  }

  /// Nothing of a push reaches the upstream before its refs are known and allowed.
  @Test(arguments: [true, false])
  func aPushToAnotherRefIsAnsweredInGitsWords(isChunked: Bool) async throws {
    try await Self.run([GitRule(repo: "o/n", push: true, refs: ["refs/heads/agent/*"])]) { fixture, upstream in
      let push = Self.push(["refs/heads/agent/a", "refs/heads/main"], pack: String(repeating: "p", count: 200_000))
      let body = isChunked ? "\(String(push.utf8.count, radix: 16))\r\n\(push)\r\n0\r\n\r\n" : push
      let answer = try await fixture.tunnel { wire in
        try await wire.send(Self.head(fixture, "/o/n/git-receive-pack", length: isChunked ? nil : push.utf8.count) + body)
        return try #require(try await wire.response())
      }
      #expect(answer.status == 200 && answer["content-type"] == "application/x-git-receive-pack-result")
      #expect(
        answer.body.contains("ng refs/heads/agent/a git_not_allowed\n") && answer.body.contains("ng refs/heads/main git_not_allowed\n"))
      #expect(answer.body.contains("not refs/heads/main"))
      #expect(upstream.connections == 0)
      let event = try #require(fixture.requestEvents.first)
      #expect(fixture.requestEvents.count == 1)
      #expect(event.decision == .deny && event.reason == "git_not_allowed" && event.action == "push" && event.details["refs"] == "2")
      #expect(event.response?.status == 200)
    }
  }

  @Test func aClientWithoutReportsGetsTheUsualAnswer() async throws {
    try await Self.run([GitRule(repo: "o/n", push: true, refs: ["refs/heads/agent/*"])]) { fixture, upstream in
      let push = Self.push(["refs/heads/main"], capabilities: "quiet")
      try await fixture.tunnel { wire in
        try await wire.send(Self.head(fixture, "/o/n/git-receive-pack", length: push.utf8.count) + push)
        let response = try #require(try await wire.response())
        #expect(response.status == 403 && response.body.contains("git_not_allowed"))
      }
      #expect(upstream.connections == 0)
    }
  }

  @Test func aDenyOfRefsHoldsUnderARuleForEverything() async throws {
    try await Self.run([], deny: [GitRule(repo: "**", push: true, refs: ["refs/heads/main"])], everything: true) { fixture, upstream in
      let good = Self.push(["refs/heads/x"])
      let bad = Self.push(["refs/heads/x", "refs/heads/MAIN"])
      try await fixture.tunnel { wire in
        try await wire.send(Self.head(fixture, "/o/n/git-receive-pack", length: good.utf8.count) + good)
        #expect(try await wire.response()?.body == "ok")
        try await wire.send(Self.head(fixture, "/o/n/git-receive-pack", length: bad.utf8.count) + bad)
        #expect(try await wire.response()?.body.contains("ng refs/heads/x policy_denied") == true)
      }
      #expect(upstream.requests.count == 1)
    }
  }

  /// However the bytes arrive, the decision is the same and the upstream gets them whole.
  @Test(arguments: [1, 7, 60, 4096])
  func commandsInPieces(step: Int) async throws {
    try await Self.run([GitRule(repo: "o/n", push: true, refs: ["refs/heads/a"])]) { fixture, upstream in
      for (ref, passes) in [("refs/heads/a", true), ("refs/heads/b", false)] {
        let push = Array((Self.push([ref], pack: String(repeating: "p", count: step < 60 ? 300 : 50_000))).utf8)
        try await fixture.tunnel { wire in
          try await wire.send(Self.head(fixture, "/o/n/git-receive-pack", length: push.count))
          for start in stride(from: 0, to: push.count, by: step) {
            try await wire.send(Array(push[start..<min(push.count, start + step)]))
          }
          #expect(try await wire.response()?.body.contains(passes ? "ok" : "ng refs/heads/b") == true)
        }
      }
      #expect(upstream.requests.count == 1)
      #expect(upstream.requests.first?.hasSuffix(String(repeating: "p", count: 300)) == true)
    }
  }

  @Test func theProbeOfALargePushPasses() async throws {
    try await Self.run([GitRule(repo: "o/n", push: true, refs: ["refs/heads/a"])]) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(Self.head(fixture, "/o/n/git-receive-pack", length: 4) + "0000")
        #expect(try await wire.response()?.body == "ok")
      }
      #expect(fixture.requestEvents.first?.details["refs"] == "0")
    }
  }

  @Test func aClientThatWaitsToSendIsToldTo() async throws {
    try await Self.run([GitRule(repo: "o/n", push: true, refs: ["refs/heads/a"])]) { fixture, upstream in
      let push = Self.push(["refs/heads/b"])
      try await fixture.tunnel { wire in
        try await wire.send(Self.head(fixture, "/o/n/git-receive-pack", length: push.utf8.count, ["expect: 100-continue"]))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 100 ") == true)
        try await wire.send(push)
        #expect(try await wire.response()?.body.contains("ng refs/heads/b") == true)
      }
    }
  }

  // MARK: What cannot be read

  private static let unreadable: [(String, [String], String)] = [
    ("garbage that is no packet", [], "malformed_request"),
    (packets(["\(zero) \(one) refs/heads/../main\u{0}report-status", nil]), [], "malformed_request"),
    (packets(["push-cert\u{0}report-status\n", nil]), [], "malformed_request"),
    (packets(["\(zero) \(one) refs/heads/a\u{0}report-status"]), [], "malformed_request"),
    (push(["refs/heads/a"]), ["content-encoding: gzip"], "malformed_request"),
    (String(repeating: "0034shallow \(one)", count: 30_000), [], "limit_exceeded"),
  ]

  /// A push whose commands cannot be read is refused under every rule, also under one for everything.
  @Test(arguments: unreadable)
  func unreadableCommandsAreRefused(body: String, fields: [String], reason: String) async throws {
    try await Self.run([], everything: true) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(Self.head(fixture, "/o/n/git-receive-pack", length: body.utf8.count, fields) + body)
        let response = try #require(try await wire.response())
        #expect(response.body.contains("\"reason\":\"\(reason)\""), "\(response.body)")
      }
      #expect(upstream.connections == 0 && fixture.requestEvents.count == 1)
    }
  }

  @Test func anotherContentTypeIsRefused() async throws {
    try await Self.run([], everything: true) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(
          fixture.request("/o/n/git-receive-pack", method: "POST", "content-type: text/plain", "content-length: 4") + "0000")
        #expect(try await wire.response()?.status == 400)
      }
      #expect(upstream.connections == 0)
    }
  }

  @Test func aPushThatStopsHasOneEvent() async throws {
    try await Self.run([GitRule(repo: "o/n", push: true, refs: ["refs/heads/a"])]) { fixture, upstream in
      let push = Self.push(["refs/heads/a"])
      try await fixture.tunnel { wire in
        try await wire.send(Self.head(fixture, "/o/n/git-receive-pack", length: push.utf8.count, ["expect: 100-continue"]))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 100 ") == true)
        try await wire.send(String(push.prefix(30)))
      }
      #expect(await fixture.isQuiet(upstream))
      let event = try #require(fixture.requestEvents.first)
      #expect(fixture.requestEvents.count == 1 && event.component == .git && event.action == "push")
      #expect(event.decision == .error && event.reason == "client_aborted" && upstream.connections == 0)
    }
  }
}
