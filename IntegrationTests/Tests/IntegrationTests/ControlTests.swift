import Foundation
import Testing

/// The control API over TCP, as scripts elsewhere on the machine use it.
@Suite struct ControlTests {
  @Test func overTCPOnlyTheTokenOpensIt() async throws {
    // The port is chosen by the system, and free again when the platform takes it.
    let port = try freePort()
    try await withPlatform(control: "127.0.0.1:\(port)") { platform in
      let server = "http://127.0.0.1:\(port)"
      let token = platform.home + "/control/token"
      let mode = try FileManager.default.attributesOfItem(atPath: token)[.posixPermissions] as? Int
      #expect(mode == 0o600)
      let remote = ["--server", server, "--token-file", token]
      try await platform.pcli(remote + ["create", "distant", "--template", "shell"])
      try await platform.pcli(remote + ["run", "distant"])
      let words = try await platform.pcli(remote + ["exec", "distant", "--", "cat"], input: "there and back")
      #expect(words.output == "there and back")
      #expect(try await platform.pcli("list", "-o", "json").output.contains("distant"))

      let wrong = platform.home + "/wrong"
      try "not-the-token".write(toFile: wrong, atomically: true, encoding: .utf8)
      try await platform.pcli(["--server", server, "--token-file", wrong, "list"], expect: 4)
      func status(_ arguments: [String], _ path: String) async throws -> String {
        let all = ["-sS", "-o", "/dev/null", "-w", "%{http_code}"] + arguments + [server + path]
        return try await run("/usr/bin/curl", all).output
      }
      #expect(try await status([], "/v1/agents") == "401")
      #expect(try await status(["-H", "Authorization: Bearer not-the-token"], "/v1/agents") == "401")
      // A page in a browser must not be able to speak to it, whatever name it gives the machine.
      #expect(try await status(["-H", "Host: evil.example", "-H", "Origin: https://evil.example"], "/v1/agents") != "200")

      let document = try JSON(parsing: await run("/usr/bin/curl", ["-sS", server + "/openapi.json"]).output)
      #expect(document["openapi"].string?.hasPrefix("3.") == true)
      #expect(!document["paths"]["/v1/agents"].isNull)
    }
  }

  private func freePort() throws -> Int {
    let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(file) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(file, $0, size) == 0 && getsockname(file, $0, &size) == 0 }
    }
    try #require(bound)
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
