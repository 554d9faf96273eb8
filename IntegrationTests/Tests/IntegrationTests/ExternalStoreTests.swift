import Foundation
import Testing

/// The secrets are in an OpenBao server that somebody else runs, behind TLS.
@Suite struct ExternalStoreTests {
  @Test func valuesComeFromItAndItsSealIsRespected() async throws {
    try await withStore { store in
      try await withPlatform(configuration: store.configuration()) { platform in
        try await prepare(platform)
        #expect(try await sent(platform, "FIRST") == "Bearer first-value-of-it")
        try await platform.pcli("secrets", "rotate", "user", "FIRST", "token=-", input: "another-value-of-it")
        #expect(try await sent(platform, "FIRST") == "Bearer another-value-of-it")

        try await store.seal()
        // What is in memory ends with its life, also what was read only to recognise it.
        try await waitUntil("the unused value's life is over") { try await ask(platform, "SECOND").reason == "secret_unavailable" }
        try await waitUntil("the seal shows") { try await secrets(platform)["message"].string?.hasPrefix("sealed") == true }
        #expect(try await secrets(platform)["healthy"].bool == false)
        let refused = try await platform.pcli("secrets", "rotate", "user", "FIRST", "token=-", input: "a-lost-value", expect: 6)
        #expect(refused.error.contains("the secret store is not ready"))
        try await waitUntil("the value's life is over") { try await ask(platform, "FIRST").reason == "secret_unavailable" }

        try await store.unseal()
        try await waitUntil("the store is back") { try await secrets(platform)["healthy"].bool == true }
        #expect(try await sent(platform, "FIRST") == "Bearer another-value-of-it")
        #expect(try await sent(platform, "SECOND") == "Bearer second-value-of-it")
        try await platform.pcli("delete", "user", "--purge")
      }
    }
  }

  /// With what the store's certificate is not trusted by, nothing starts, and the reason is said.
  @Test func aWrongAuthorityIsSaidAndMended() async throws {
    try await withStore { store in
      let platform = try await Platform(configuration: store.configuration(authority: "other-ca.pem"))
      do {
        let failed = try await platform.pcli("up", "--config", platform.home + "/config.yaml", expect: 1)
        #expect(failed.error.contains("its certificate is not trusted") && failed.error.contains("secrets.caFile"), "\(failed.error)")
        try await platform.pcli("status", expect: 6)
        let file = platform.home + "/config.yaml"
        let mended = try String(contentsOfFile: file, encoding: .utf8).replacing("other-ca.pem", with: "ca.pem")
        try mended.write(toFile: file, atomically: true, encoding: .utf8)
        try await platform.up()
        try await prepare(platform)
        #expect(try await sent(platform, "FIRST") == "Bearer first-value-of-it")
      } catch {
        await platform.tearDown()
        throw error
      }
      await platform.tearDown()
    }
  }

  @Test func aTokenThatIsNotAcceptedIsSaid() async throws {
    try await withStore { store in
      try "hvs.unknown".write(toFile: store.folder + "/token", atomically: false, encoding: .utf8)
      let platform = try await Platform(configuration: store.configuration())
      let failed = try? await platform.pcli("up", "--config", platform.home + "/config.yaml", expect: 1)
      #expect(failed?.error.contains("does not accept the token in \(store.folder)/token") == true, "\(failed?.error ?? "")")
      await platform.tearDown()
    }
  }

  private func withStore(_ body: (ExternalStore) async throws -> Void) async throws {
    let store = try await ExternalStore()
    defer { store.stop() }
    try await body(store)
  }

  private func prepare(_ platform: Platform) async throws {
    let host = "allowed.test:\(platform.upstream.httpsPort)"
    try await platform.pcli("create", "user", "--template", "shell")
    try await platform.pcli("egress", "allow", "user", host)
    for name in ["first", "second"] {
      try await platform.pcli(
        "secrets", "add", "user", name.uppercased(), "token=-", "--host", host, input: "\(name)-value-of-it")
    }
    try await platform.pcli("run", "user")
  }

  private func ask(_ platform: Platform, _ name: String) async throws -> Answer {
    try await platform.ask(
      "user", platform.https("allowed.test") + "/echo/\(name)", headers: [["authorization", "Bearer TOKEN_\(name)"]])
  }

  /// What reached the upstream as the newest `Authorization`.
  private func sent(_ platform: Platform, _ name: String) async throws -> String? {
    let answer = try await ask(platform, name)
    #expect(answer.status == 200, "\(answer)")
    return try platform.upstream.received().last { $0["path"].string == "/echo/\(name)" }?["headers"].array
      .first { $0[0].string?.lowercased() == "authorization" }?[1].string
  }

  private func secrets(_ platform: Platform) async throws -> JSON {
    let status = try await platform.pcli("status", "-o", "json", expect: nil).json()
    return status["components"].array.first { $0["name"].string == "secrets" } ?? .null
  }
}
