import Foundation
import Testing

/// `pcli doctor --attack` on a real agent: all holds, and what somebody opened shows.
@Suite struct DoctorAttackTests {
  @Test func everythingHoldsOnAnAgentInUse() async throws {
    try await withPlatform { platform in
      try await platform.start("probed", reaching: ["allowed.test"])
      try await platform.start("neighbour")
      let finished = try await platform.pcli("doctor", "--attack", "probed", "-o", "json", expect: nil)
      let posture = try finished.json()
      let cases = posture["cases"].array
      let broken = cases.filter { $0["verdict"].string == "broken" }
      #expect(broken.isEmpty && finished.code == 0, "\(broken.prefix(20))\(finished.error)")
      #expect(cases.filter { $0["verdict"].string == "held" }.count > 200)
      #expect(cases.contains { $0["name"].string == "neighbour-1-80" })
      let families = posture["families"].array.map { $0["family"].string }
      #expect(families == ["names", "addresses", "identity", "framing", "http2", "tls", "dns", "around", "control"])
      // The agent works as before, and its refusals can be told from those of the attack.
      try await checkTrail(platform)
      let table = try await platform.pcli("doctor", "--attack", "probed")
      #expect(table.output.hasPrefix("FAMILY") && !table.output.contains("\nBROKEN  "), "\(table.output)")
    }
  }

  @Test(.enabled(if: Checkout.hasEnvoy)) func everythingHoldsWithEnvoyToo() async throws {
    try await withPlatform(egress: EnvoyEgressTests.egress) { platform in
      try await platform.start("probed", reaching: ["allowed.test"])
      let finished = try await platform.pcli("doctor", "--attack", "probed", "-o", "json", expect: nil)
      let cases = try finished.json()["cases"].array
      let broken = cases.filter { $0["verdict"].string == "broken" }
      #expect(broken.isEmpty && finished.code == 0, "\(broken.prefix(20))\(finished.error)")
      #expect(cases.filter { $0["verdict"].string == "held" }.count > 150)
      let lenient = cases.filter { $0["came"].string?.contains("takes this spelling") == true }
      #expect(!lenient.isEmpty && lenient.allSatisfy { ["framing", "identity"].contains($0["family"].string) })
      // Envoy and everything of the agent's work as before.
      #expect(try await platform.ask("probed", platform.https("allowed.test") + "/echo").status == 200)
    }
  }

  private func checkTrail(_ platform: Platform) async throws {
    let events = try await platform.pcli("audit", "--agent", "probed", "--all", "-o", "json").jsonLines()
    let begin = try #require(events.firstIndex { $0["action"].string == "attack" })
    let end = try #require(events.firstIndex { $0["action"].string == "attack-end" })
    #expect(begin < end)
    let run = try #require(events[begin]["details"]["run"].string)
    #expect(events[end]["details"]["run"].string == run && events[end]["details"]["broken"].string == "0")
    let asked = events.filter { $0["request"]["host"].string?.contains("palana-attack-\(run).invalid") == true }
    #expect(asked.count > 40)
    #expect(asked.allSatisfy { $0["decision"].string != "allow" })
  }

  /// A second way out of the agent's network, with somebody at its other end who answers; and a rule that is far too wide.
  @Test func whatIsOpenShows() async throws {
    try await withPlatform { platform in
      try await platform.start("probed")
      let id = try #require(
        try FileManager.default.contentsOfDirectory(atPath: platform.home + "/run/netns").first { $0.hasPrefix("probed") })
      let network = platform.home + "/run/netns/" + id
      let (outside, inside) = (platform.prefix + "h", platform.prefix + "i")
      let metadata = "169.254.169.254"
      let holes = [
        ["/usr/sbin/ip", "link", "add", outside, "type", "veth", "peer", "name", inside],
        ["/usr/sbin/ip", "addr", "add", "\(metadata)/32", "dev", outside], ["/usr/sbin/ip", "link", "set", outside, "up"],
      ]
      for command in holes { try await sh(command) }
      try await sh(["/usr/sbin/ip", "link", "set", inside, "netns", network])
      let within = ["/usr/bin/nsenter", "--net=" + network, "/usr/sbin/ip"]
      try await sh(within + ["addr", "add", "169.254.169.2/32", "dev", inside])
      try await sh(within + ["link", "set", inside, "up"])
      try await sh(within + ["route", "add", "\(metadata)/32", "dev", inside])
      try await sh(["/usr/sbin/ip", "route", "add", "169.254.169.2/32", "dev", outside])
      let server = Process()
      server.executableURL = URL(filePath: "/usr/bin/python3")
      server.arguments = ["-m", "http.server", "80", "--bind", metadata, "--directory", platform.home + "/run/netns"]
      server.standardOutput = FileHandle.nullDevice
      server.standardError = FileHandle.nullDevice
      try server.run()
      defer { kill(server.processIdentifier, SIGKILL) }
      try await platform.pcli("egress", "allow", "probed", "metadata.google.internal:80")

      let finished = try await platform.pcli("doctor", "--attack", "probed", expect: 1)
      #expect(finished.output.contains("BROKEN  around/tcp-metadata\n"), "\(finished.output)")
      #expect(finished.output.contains("came   HTTP/1.0 200 OK"))
      #expect(finished.output.contains("BROKEN  names/connect-metadata-name\n"))
      #expect(finished.output.contains("pcli kill probed --reason"))
      let event = try await platform.pcli("audit", "--agent", "probed", "--component", "lifecycle", "-o", "json").output
      #expect(event.contains("\"attack-end\"") && event.contains("\"critical\""))
      try await sh(["/usr/sbin/ip", "link", "del", outside])
    }
  }

  private func sh(_ words: [String]) async throws {
    let finished = try await run(words[0], Array(words.dropFirst()))
    #expect(finished.code == 0, "\(words.joined(separator: " ")): \(finished.error)")
  }

  @Test func anAgentThatDoesNotRunIsAConflict() async throws {
    let platform = try await Platform.shared.get()
    try await platform.pcli("create", "still", "--template", "shell")
    let finished = try await platform.pcli("doctor", "--attack", "still", expect: 5)
    #expect(finished.error.contains("does not run"))
    try await platform.pcli("doctor", "--attack", "nobody", expect: 3)
  }
}
