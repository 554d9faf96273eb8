import Foundation
import Testing

/// The real git, inside an agent, against git's own http-backend.
@Suite struct GitTests {
  private static let password = "git-password-of-it"

  /// A repository with one commit on `main`, and the password that it asks for.
  private func makeRepository(_ platform: Platform, _ name: String) async throws {
    let folder = platform.upstream.folder
    try Self.password.write(toFile: folder + "/git-password", atomically: true, encoding: .utf8)
    let script = """
      set -e
      mkdir -p '\(folder)/repos/acme'
      git init -q --bare -b main '\(folder)/repos/acme/\(name).git'
      git clone -q '\(folder)/repos/acme/\(name).git' '\(folder)/work-\(name)' 2>/dev/null
      cd '\(folder)/work-\(name)'
      git checkout -q -B main
      echo one > file
      git add file
      git -c user.name=T -c user.email=t@example.com commit -q -m one
      git push -q origin main
      """
    let made = try await run("/bin/sh", ["-c", script])
    try #require(made.code == 0, "\(made.error)")
  }

  /// Runs a shell script inside, with git set up.
  @discardableResult
  private func shell(_ platform: Platform, _ agent: String, _ script: String, expect code: Int32? = 0) async throws -> Finished {
    let setUp = """
      export GIT_TERMINAL_PROMPT=0 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.com
      cd /data
      """
    return try await platform.pcli(["exec", agent, "--", "sh", "-ec", setUp + "\n" + script], expect: code)
  }

  private func events(_ platform: Platform, _ agent: String) async throws -> [JSON] {
    try await platform.pcli("audit", "--agent", agent, "--component", "git", "--limit", "1000", "-o", "json").jsonLines()
  }

  private func start(_ platform: Platform, _ agent: String, _ rule: [String]) async throws -> String {
    let host = "allowed.test:\(platform.upstream.httpsPort)"
    try await platform.pcli("create", agent, "--template", "shell")
    try await platform.pcli(["egress", "allow", agent, host] + rule)
    try await platform.pcli("secrets", "add", agent, "GIT_PAT", "token=-", "--host", host, "--in", "basic", input: Self.password)
    try await platform.pcli("run", agent)
    return "https://x:$GIT_PAT@\(host)/git/acme"
  }

  /// Envoy cannot read the commands of a push, which stand in its body.
  @Test(.enabled(if: Checkout.hasEnvoy)) func overEnvoyThereIsNoPush() async throws {
    try await withPlatform(egress: EnvoyEgressTests.egress) { platform in
      try await makeRepository(platform, "far")
      let url = try await start(platform, "fetcher", ["--git", "git/acme/*", "--push"])
      let cloned = try await shell(platform, "fetcher", "git clone -q \"\(url)/far.git\" far; cat far/file")
      #expect(cloned.output == "one\n")
      let pushed = try await shell(
        platform, "fetcher", "cd far; echo two > file; git commit -qam two; git push -q origin HEAD:refs/heads/agent/x", expect: nil)
      // Envoy writes the reason into the body, which git does not show.
      #expect(pushed.code != 0 && pushed.error.contains("403"), "\(pushed.error)")
      let events = try await events(platform, "fetcher")
      #expect(events.contains { $0["decision"].string == "deny" && $0["reason"].string == "not_on_this_data_plane" })
    }
  }

  @Test func cloneFetchAndPush() async throws {
    let platform = try await Platform.shared.get()
    try await makeRepository(platform, "tool")
    let url = try await start(platform, "coder", ["--git", "git/acme/*", "--push", "--ref", "refs/heads/agent/*"])

    let cloned = try await shell(platform, "coder", "git clone -q \"\(url)/tool.git\" tool; cat tool/file; echo $GIT_PAT")
    #expect(cloned.output == "one\nTOKEN_GIT_PAT\n")
    // The other branch goes through.
    try await shell(
      platform, "coder",
      "cd tool; git checkout -q -b agent/fix; echo two > file; git commit -q -a -m two; git push -q origin agent/fix")
    let branches = try await run(
      "/usr/bin/git", ["-C", platform.upstream.folder + "/repos/acme/tool.git", "branch", "--format=%(refname)"])
    #expect(branches.output.contains("refs/heads/agent/fix"))

    // A push to main is refused before anything of it is sent on, and git says why.
    let refused = try await shell(platform, "coder", "cd tool; git push origin agent/fix:main agent/fix:agent/more", expect: nil)
    #expect(refused.code != 0)
    #expect(refused.error.contains("[remote rejected] agent/fix -> main (git_not_allowed)"), "\(refused.error)")
    #expect(refused.error.contains("not refs/heads/main"), "\(refused.error)")
    let received = try await run("/usr/bin/git", ["-C", platform.upstream.folder + "/repos/acme/tool.git", "log", "--format=%s", "main"])
    #expect(received.output == "one\n")

    // A large one, which git announces with a probe and sends in chunks.
    try await shell(
      platform, "coder",
      """
      cd tool; head -c 3000000 /dev/urandom > big; git add big; git commit -q -m big
      git -c http.postBuffer=65536 push -q origin HEAD:refs/heads/agent/big
      """)

    // What somebody else pushed comes with a fetch, of every version of the protocol.
    for version in ["0", "1", "2"] {
      let script = """
        cd '\(platform.upstream.folder)/work-tool'; echo \(version) > file
        git -c user.name=T -c user.email=t@example.com commit -q -a -m three-\(version); git push -q origin main
        """
      #expect(try await run("/bin/sh", ["-ec", script]).code == 0)
      let fetched = try await shell(
        platform, "coder", "cd tool; git -c protocol.version=\(version) fetch -q origin; git log -1 --format=%s origin/main")
      #expect(fetched.output == "three-\(version)\n")
    }

    let events = try await events(platform, "coder")
    let actions = events.filter { $0["decision"].string == "allow" && $0["response"]["status"].number == 200 }.compactMap {
      $0["action"].string
    }
    for action in ["list", "clone", "fetch", "push"] { #expect(actions.contains(action), "\(actions)") }
    let push = try #require(
      events.first { $0["action"].string == "push" && $0["details"]["ref.1"].string?.hasSuffix("refs/heads/agent/fix") == true })
    #expect(push["details"]["repository"].string == "allowed.test:\(platform.upstream.httpsPort)/git/acme/tool")
    #expect(push["details"]["ref.1"].string?.hasPrefix("create 0000") == true)
    #expect(push["secrets"].array.compactMap(\.string) == ["GIT_PAT"])
    let denied = try #require(events.first { $0["decision"].string == "deny" })
    #expect(denied["reason"].string == "git_not_allowed" && denied["details"]["refs"].string == "2")
    // Each request is one event: what the upstream saw, and what it never saw.
    let seen = try platform.upstream.received().filter { $0["path"].string?.hasPrefix("/git/acme/tool") == true }
    #expect(seen.count == events.count { $0["decision"].string == "allow" })
    try await platform.pcli("delete", "coder", "--purge")
  }

  @Test(arguments: ["HTTP/1.1", "HTTP/2"]) func overEachVersionOfHTTP(_ version: String) async throws {
    let platform = try await Platform.shared.get()
    let name = version.lowercased().filter { $0.isLetter || $0.isNumber }
    try await makeRepository(platform, name)
    let url = try await start(platform, name, ["--git", "git/acme/*", "--push", "--ref", "refs/heads/agent/*"])
    // A large push is announced with a probe and sent in chunks; a refused one is sent to its end, and git says why. Over HTTP/2 it
    // has to fit into the socket: libcurl 7.88 sends a part twice whenever it does not, with any server (docs/clients.md).
    let size = version == "HTTP/2" ? 100_000 : 3_000_000
    let refused = try await shell(
      platform, name,
      """
      git() { /usr/bin/git -c http.version=\(version) "$@"; }
      git clone -q "\(url)/\(name).git" r; cd r; cat file
      head -c \(size) /dev/urandom > big; git add big; git commit -q -m big
      git -c http.postBuffer=65536 push -q origin HEAD:refs/heads/agent/big
      git fetch -q origin; git log -1 --format=%s origin/agent/big
      git -c http.postBuffer=65536 push origin HEAD:main
      """, expect: nil)
    #expect(refused.output == "one\nbig\n" && refused.code == 1, "\(refused)")
    #expect(refused.error.contains("[remote rejected] HEAD -> main (git_not_allowed)"), "\(refused.error)")
    let events = try await events(platform, name)
    #expect(events.count >= 6 && events.allSatisfy { $0["request"]["protocol"].string == version.lowercased() }, "\(events)")
    try await platform.pcli("delete", name, "--purge")
  }

  @Test func whatNoRuleAllowsIsShownByGit() async throws {
    let platform = try await Platform.shared.get()
    try await makeRepository(platform, "lib")
    let url = try await start(platform, "reader", ["--git", "git/acme/lib"])
    try await shell(platform, "reader", "git clone -q \"\(url)/lib\" lib")
    let push = try await shell(
      platform, "reader", "cd lib; git commit -q --allow-empty -m x; git push origin HEAD:refs/heads/x", expect: nil)
    #expect(push.code != 0 && push.error.contains("git_not_allowed") && push.error.contains("not pushing"), "\(push.error)")
    let other = try await shell(platform, "reader", "git clone \"\(url)/tool\" other", expect: nil)
    #expect(other.code != 0 && other.error.contains("git_not_allowed"), "\(other.error)")
    let page = try await platform.ask("reader", platform.https("allowed.test") + "/git/acme/lib")
    #expect(page.reason == "path_not_allowed")
    let host = "https://allowed.test:\(platform.upstream.httpsPort)/git/acme/lib"
    try await platform.pcli("egress", "test", "reader", "GET", host + "/info/refs?service=git-upload-pack")
    let test = try await platform.pcli(
      "egress", "test", "reader", "POST", host + "/git-receive-pack", "--ref", "refs/heads/x", "-o", "json", expect: 4)
    #expect(try test.json()["reason"].string == "git_not_allowed")
    try await platform.pcli("delete", "reader", "--purge")
  }
}
