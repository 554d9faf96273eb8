import Foundation
import Testing

/// The secret store dies under the platform.
@Suite struct StoreDownTests {
  @Test func theDaemonBringsItsStoreBack() async throws {
    try await withPlatform { platform in
      let host = "allowed.test:\(platform.upstream.httpsPort)"
      try await platform.pcli("create", "user", "--template", "shell")
      try await platform.pcli("egress", "allow", "user", host)
      try await platform.pcli("secrets", "add", "user", "KEY", "token=-", "--host", host, input: "the-value-of-it")
      try await platform.pcli("run", "user")
      let url = platform.https("allowed.test") + "/echo"
      let headers = [["authorization", "Bearer TOKEN_KEY"]]
      let store = try #require(try platform.processes().first { commandLine(of: $0).contains("/openbao/bao\0server") })
      #expect(kill(store, SIGKILL) == 0)
      // Whatever the moment: the value or a refusal, never the placeholder at the upstream.
      let meanwhile = try await platform.ask("user", url, headers: headers)
      #expect(meanwhile.status == 200 || meanwhile.reason == "secret_unavailable", "\(meanwhile)")
      try await waitUntil("the store is back") {
        let answer = try await platform.ask("user", url, headers: headers)
        let status = try await platform.pcli("status", "-o", "json").json()
        return answer.status == 200 && status["components"].array.allSatisfy { $0["healthy"].bool == true }
      }
      let sent = try platform.upstream.received().flatMap { $0["headers"].array }
        .filter { $0[0].string?.lowercased() == "authorization" }.compactMap { $0[1].string }
      #expect(Set(sent) == ["Bearer the-value-of-it"])
      try await platform.pcli("secrets", "rotate", "user", "KEY", "token=-", input: "another-value")
      #expect(try await platform.ask("user", url, headers: headers).status == 200)
    }
  }
}
