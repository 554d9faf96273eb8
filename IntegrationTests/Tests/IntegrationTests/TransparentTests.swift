import Foundation
import Testing

/// Programs inside an agent that know nothing of a proxy.
@Suite struct TransparentTests {
  /// `curl` without the proxy variables. Its own words, and what the server said.
  private func curl(_ platform: Platform, _ agent: String, _ arguments: String...) async throws -> Finished {
    let variables = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"].flatMap { ["-u", $0] }
    return try await platform.pcli(
      ["exec", agent, "--", "env"] + variables + ["curl", "-sS", "-m", "20"] + arguments, expect: nil)
  }

  /// Events of an agent, once one has this reason.
  private func events(_ platform: Platform, _ agent: String, until reason: String) async throws -> [JSON] {
    try await waitUntil("an event of \(reason)") {
      try await platform.egressEvents(agent).contains { $0["reason"].string == reason }
    }
    return try await platform.egressEvents(agent)
  }

  @Test func aProgramThatKnowsNoProxyIsServed() async throws {
    let platform = try await Platform.shared.get()
    let (tls, plain) = (platform.upstream.httpsPort, platform.upstream.httpPort)
    try await platform.pcli("create", "stray", "--template", "shell")
    try await platform.pcli("egress", "allow", "stray", "allowed.test:\(tls)")
    try await platform.pcli("egress", "allow", "stray", "allowed.test:\(plain)")
    try await platform.pcli(
      "secrets", "add", "stray", "STRAY", "token=-", "--host", "allowed.test:\(tls)", "--in", "header:authorization",
      input: "the-real-value-of-stray")
    try await platform.pcli("run", "stray")

    let secure = try await curl(
      platform, "stray", "-H", "authorization: Bearer TOKEN_STRAY", platform.https("allowed.test") + "/echo/stray")
    let echoed = try JSON(parsing: secure.output)["path"].string
    #expect(secure.code == 0 && echoed == "/echo/stray", "\(secure)")
    #expect("\(try platform.upstream.received())".contains("the-real-value-of-stray"))
    let open = try await curl(platform, "stray", platform.http("allowed.test") + "/echo/plain")
    #expect(open.code == 0 && open.output.contains("/echo/plain"), "\(open)")

    // A name that no rule allows does not exist (curl's code 6), and that is written down.
    #expect(try await curl(platform, "stray", platform.https("evil.test") + "/").code == 6)
    // Another name at an allowed one's address: in the handshake, and in Host.
    let other = try await curl(
      platform, "stray", "--connect-to", "other.test:\(tls):allowed.test:\(tls)", platform.https("other.test") + "/echo")
    #expect(other.code == 35)
    let host = try await curl(platform, "stray", "-H", "host: other.test:\(plain)", platform.http("allowed.test") + "/echo")
    #expect(host.output.contains("name_mismatch"))
    // A port that no rule names; a literal address.
    #expect(try await curl(platform, "stray", "https://allowed.test:9/").code == 35)
    #expect(try await curl(platform, "stray", "http://93.184.216.34/").output.contains("host_not_allowed"))
    #expect(try await curl(platform, "stray", "http://169.254.169.254/").output.contains("address_not_allowed"))

    let events = try await events(platform, "stray", until: "address_not_allowed")
    let seen = events.map { event in
      [event["action"].string ?? "", event["decision"].string ?? "", event["reason"].string ?? "", event["request"]["host"].string ?? ""]
        .joined(separator: " ")
    }
    for line in [
      "resolve allow  allowed.test", "request allow  allowed.test", "resolve deny host_not_allowed evil.test",
      "connect deny name_mismatch allowed.test", "request deny name_mismatch allowed.test",
      "connect deny port_not_allowed allowed.test", "request deny host_not_allowed 93.184.216.34",
      "request deny address_not_allowed 169.254.169.254",
    ] { #expect(seen.contains(line), "\(line) in \(seen)") }
    // One event for each request, as ever.
    #expect(events.count { $0["request"]["path"].string == "/echo/stray" } == 1)
    try await platform.pcli("delete", "stray", "--purge")
  }

  @Test func aKillEndsARedirectedDownload() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("leech", reaching: ["allowed.test"])
    let path = "/bytes/999999999999"
    async let download = curl(platform, "leech", "-N", "-m", "300", "-o", "/dev/null", platform.https("allowed.test") + path)
    try await waitUntil("it flows") { try platform.upstream.received().contains { $0["path"].string == path } }
    try await platform.pcli("kill", "leech", "--reason", "a test")
    #expect(try await download.code != 0)
    // Whichever plane was first: the gateway, which closed the connection, or the engine, which ended the program.
    try await waitUntil("its event") {
      try await platform.egressEvents("leech").contains { event in
        event["request"]["path"].string == path && ["agent_killed", "client_aborted"].contains(event["reason"].string)
      }
    }
    try await platform.pcli("unkill", "leech", "--reason", "a test")
    try await platform.pcli("delete", "leech", "--purge")
  }

  @Test func switchedOffThereIsNoOtherWay() async throws {
    try await withPlatform(configuration: "  transparent: {enabled: false}") { platform in
      try await platform.start("strict", reaching: ["allowed.test"])
      let url = platform.https("allowed.test") + "/echo"
      #expect(try await platform.ask("strict", url).status == 200)
      #expect(try await curl(platform, "strict", url).code == 6)
      #expect(try await curl(platform, "strict", "http://192.0.2.7/").code == 7)
    }
  }
}
