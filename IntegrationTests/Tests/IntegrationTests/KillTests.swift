import Foundation
import Testing

/// The kill switch, pulled while data flows.
@Suite struct KillTests {
  @Test func aKillEndsEverythingAndStaysOverARestart() async throws {
    try await withPlatform { platform in
      try await platform.start("victim", reaching: ["allowed.test"])
      try await platform.start("bystander", reaching: ["allowed.test"])
      let url = platform.https("allowed.test")
      let arguments = ["exec", "victim", "--", "curl", "-sSN", "-o", "/dev/null"]
      async let stream = platform.pcli(arguments + [url + "/sse"], expect: nil)
      async let download = platform.pcli(arguments + [url + "/bytes/1000000000000"], expect: nil)
      async let other = platform.pcli("exec", "bystander", "--", "curl", "-sS", url + "/drip/100", expect: nil)
      try await waitUntil("all three flow") {
        let paths = try platform.upstream.received().compactMap { $0["path"].string }
        return Set(paths).isSuperset(of: ["/sse", "/bytes/1000000000000", "/drip/100"])
      }
      let report = try await platform.pcli("kill", "victim", "--reason", "a test", "-o", "json").json()
      #expect(
        Set(report["planes"].array.compactMap { $0["name"].string }) == ["gateway", "network", "secrets", "compute"])
      #expect(try await stream.code != 0)
      #expect(try await download.code != 0)
      #expect(try await platform.phase("victim") == "Killed")
      try await platform.pcli("exec", "victim", "--", "true", expect: 5)
      try await platform.pcli("run", "victim", expect: 5)
      // The other one's answer comes whole.
      let untouched = try await other
      #expect(untouched.code == 0 && untouched.output.hasSuffix("line 99\n"))

      try await platform.pcli("down", "--keep-agents")
      try await platform.up()
      #expect(try await platform.phase("victim") == "Killed")
      try await platform.pcli("run", "victim", expect: 5)
      #expect(try await platform.ask("bystander", url + "/echo").status == 200)

      try await platform.pcli("unkill", "victim", "--reason", "it was a test")
      try await platform.pcli("run", "victim")
      #expect(try await platform.ask("victim", url + "/echo").status == 200)
      try await platform.pcli("audit", "verify")
    }
  }
}
