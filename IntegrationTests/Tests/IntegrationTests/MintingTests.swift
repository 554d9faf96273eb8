import Foundation
import Testing

/// Tokens that the gateway gets itself: the agent writes a placeholder, the upstream gets a short token, and neither gets the key.
@Suite struct MintingTests {
  private func makeKey(_ platform: Platform, _ name: String) async throws -> String {
    let folder = platform.upstream.folder
    let file = "\(folder)/\(name).key"
    let made = try await run("/usr/bin/openssl", ["genrsa", "-traditional", "-out", file, "2048"])
    try #require(made.code == 0, "\(made.error)")
    let published = try await run("/usr/bin/openssl", ["rsa", "-in", file, "-pubout", "-out", folder + "/github-app.pem"])
    try #require(published.code == 0, "\(published.error)")
    return file
  }

  private func tokens(_ platform: Platform) -> [String] {
    let text = (try? String(contentsOfFile: platform.upstream.folder + "/tokens", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").map(String.init)
  }

  /// What the upstream got in the header that the placeholder stood in.
  private func used(_ platform: Platform, _ path: String) throws -> [String] {
    try platform.upstream.received().filter { $0["path"].string == path }.compactMap { request in
      request["headers"].array.first { $0.array.first?.string?.lowercased() == "authorization" }?.array.last?.string
    }
  }

  private func mints(_ platform: Platform, _ agent: String) async throws -> [JSON] {
    try await platform.pcli("audit", "--agent", agent, "--component", "secrets", "--limit", "1000", "-o", "json").jsonLines()
      .filter { $0["action"].string == "mint" }
  }

  @Test func aGitHubApp() async throws {
    let platform = try await Platform.shared.get()
    let host = "allowed.test:\(platform.upstream.httpsPort)"
    let key = try await makeKey(platform, "app")
    try await platform.pcli("create", "appuser", "--template", "shell")
    try await platform.pcli("egress", "allow", "appuser", host)
    let added = try await platform.pcli(
      "secrets", "add", "appuser", "GH_APP", "app_id=4711", "installation_id=815", "private_key=@" + key,
      "base_url=https://other.test:\(platform.upstream.httpsPort)/api/v3", "--type", "github-app", "--host", host)
    #expect(added.output.contains("github-app"))
    try await platform.pcli("run", "appuser")
    #expect(try await platform.pcli("exec", "appuser", "--", "sh", "-c", "echo $GH_APP").output == "TOKEN_GH_APP\n")

    let url = platform.https("allowed.test") + "/echo/app"
    let bearer = [["authorization", "Bearer TOKEN_GH_APP"]]
    for _ in 0..<3 { #expect(try await platform.ask("appuser", url, headers: bearer).status == 200) }
    let first = try #require(try used(platform, "/echo/app").first)
    #expect(first.hasPrefix("Bearer ghs_") && tokens(platform).contains(String(first.dropFirst(7))))
    // One token for all three.
    #expect(Set(try used(platform, "/echo/app")) == [first])
    let mint = try #require(try await mints(platform, "appuser").first)
    #expect(mint["decision"].string == "allow" && mint["details"]["endpoint"].string == "other.test")
    #expect(mint["details"]["type"].string == "github-app" && mint["secrets"].array.first?.string == "GH_APP")

    // Another key: the next request has a token that was made with it.
    let next = try await makeKey(platform, "next")
    #expect(
      try await platform.pcli("secrets", "rotate", "appuser", "GH_APP", "private_key=@" + next).code == 0)
    #expect(try await platform.ask("appuser", url, headers: bearer).status == 200)
    let rotated = try #require(try used(platform, "/echo/app").last)
    #expect(rotated.hasPrefix("Bearer ghs_") && rotated != first)

    // Neither the key nor a token is anywhere but where it belongs.
    let text = try String(contentsOfFile: key, encoding: .utf8)
    let line = try #require(text.split(separator: "\n").dropFirst(3).first)
    let audit = try await platform.pcli("audit", "--agent", "appuser", "--limit", "1000", "-o", "json").output
    #expect(!audit.contains(line) && !audit.contains(first.dropFirst(7)))

    try await platform.pcli("kill", "appuser", "--reason", "test")
    try await platform.pcli("unkill", "appuser", "--reason", "test")
    try await platform.pcli("delete", "appuser", "--purge")
  }

  @Test func anOAuthClient() async throws { try await useOAuthClient(Platform.shared.get()) }

  @Test(.enabled(if: Checkout.hasEnvoy)) func anOAuthClientOverEnvoy() async throws {
    try await withPlatform(egress: EnvoyEgressTests.egress) { platform in try await useOAuthClient(platform) }
  }

  private func useOAuthClient(_ platform: Platform) async throws {
    let host = "allowed.test:\(platform.upstream.httpsPort)"
    let folder = platform.upstream.folder
    let client = #"{"id": "client 1", "secret": "s3cr3t:&+of it"}"#
    try client.write(toFile: folder + "/oauth.json", atomically: true, encoding: .utf8)
    try await platform.pcli("create", "oauthuser", "--template", "shell")
    try await platform.pcli("egress", "allow", "oauthuser", host)
    let endpoint = "https://other.test:\(platform.upstream.httpsPort)/oauth/token"
    try await platform.pcli(
      "secrets", "add", "oauthuser", "PARTNER", "token_url=" + endpoint, "client_id=client 1", "client_secret=-", "scope=read write",
      "--type", "oauth-client", "--host", host, input: "s3cr3t:&+of it")
    try await platform.pcli("run", "oauthuser")
    let url = platform.https("allowed.test") + "/echo/oauth"
    let bearer = [["authorization", "Bearer TOKEN_PARTNER"]]
    #expect(try await platform.ask("oauthuser", url, headers: bearer).status == 200)
    #expect(try used(platform, "/echo/oauth").last?.hasPrefix("Bearer oat_") == true)

    // A wrong client secret: 503 with a reason, and the placeholder stays here. What it is told says nothing of the endpoint.
    try await platform.pcli("secrets", "rotate", "oauthuser", "PARTNER", "client_secret=-", input: "wrong")
    let refused = try await platform.ask("oauthuser", url, headers: bearer)
    #expect(refused.status == 503 && refused.reason == "secret_unavailable")
    #expect(try await mints(platform, "oauthuser").contains { $0["decision"].string == "error" })
    try await platform.pcli("secrets", "rotate", "oauthuser", "PARTNER", "client_secret=-", input: "s3cr3t:&+of it")
    #expect(try await platform.ask("oauthuser", url, headers: bearer).status == 200)

    // An address of the machine itself is out of reach for a token endpoint too.
    try await platform.pcli(
      "secrets", "add", "oauthuser", "EVIL", "token_url=https://169.254.169.254/token", "client_id=a", "client_secret=b", "--type",
      "oauth-client", "--host", host)
    let evil = try await platform.ask("oauthuser", url, headers: [["authorization", "Bearer TOKEN_EVIL"]])
    #expect(evil.status == 503 && evil.reason == "secret_unavailable")
    try await platform.pcli("delete", "oauthuser", "--purge")
  }

  @Test func wrongParametersAreRefusedWhenTheyAreStored() async throws {
    let platform = try await Platform.shared.get()
    try await platform.pcli("create", "wrong", "--template", "shell")
    for arguments in [
      ["app_id=1", "installation_id=2", "--type", "github-app"],
      ["app_id=1", "installation_id=2", "private_key=nothing", "--type", "github-app"],
      ["token_url=http://a.example/", "client_id=a", "client_secret=b", "--type", "oauth-client"],
      ["token_url=https://a.example/", "client_id=a", "client_secret=b", "extra=c", "--type", "oauth-client"],
    ] {
      let refused = try await platform.pcli(["secrets", "add", "wrong", "X"] + arguments, expect: 2)
      #expect(!refused.error.contains("nothing"))
    }
    try await platform.pcli("delete", "wrong", "--purge")
  }
}
