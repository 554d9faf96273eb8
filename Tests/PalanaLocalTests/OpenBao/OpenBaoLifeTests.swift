import Glibc
import PalanaCore
import PalanaLocal
import PalanaSecrets
import Subprocess
import Testing

/// The life of the daemon's own store: first start, restart, death, broken installations.
@Suite(.serialized, .enabled(if: OpenBaoFixture.isThere)) struct OpenBaoLifeTests {
  @Test(.timeLimit(.minutes(10))) func startsFromNothingAndAgainWithoutHelp() async throws {
    try await OpenBaoFixture.withFolder { folder in
      let path = KVPath(try OpenBaoFixture.path("S", .agents))
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        try await store.ready()
        #expect(store.health.isReady)
        try await store.control.write(path, ["token": Redacted("v1")], cas: 0)
        try await expectPrivate(folder)
        try await expectConfined(try #require(store.processID))
      }
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        let start = ContinuousClock.now
        try await store.ready()
        // A bound with a wide margin for a loaded machine; on an idle one it takes 0.25 seconds.
        #expect(ContinuousClock.now - start < .seconds(10))
        #expect(try await store.runtime.read(path).values["token"]?.reveal() == "v1")
      }
      // Nothing of it runs any more.
      #expect(try await listeners(folder) == 0)
    }
  }

  @Test(.timeLimit(.minutes(10))) func isStartedAgainWhenItIsKilled() async throws {
    try await OpenBaoFixture.withFolder { folder in
      let path = KVPath(try OpenBaoFixture.path("S", .agents))
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        try await store.ready()
        try await store.control.write(path, ["token": Redacted("v1")], cas: 0)
        for _ in 0..<3 {
          let pid = try #require(store.processID)
          #expect(kill(pid, SIGKILL) == 0)
          try await OpenBaoFixture.eventually("a new server is ready") {
            guard let now = store.processID else { return false }
            return now != pid && store.health.isReady
          }
          // What was acknowledged is there; the tokens from before still work.
          #expect(try await store.runtime.read(path).values["token"]?.reveal() == "v1")
        }
      }
    }
  }

  @Test(.timeLimit(.minutes(10))) func oneDaemonForOneFolder() async throws {
    try await OpenBaoFixture.withFolder { folder in
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        try await store.ready()
        let second = try OpenBaoFixture.supervisor(folder)
        #expect(await OpenBaoFixture.code { try await second.run() } == .conflict)
        #expect(await OpenBaoFixture.code { try await second.ready() } == .conflict)
        #expect(store.health.isReady)
      }
    }
  }

  @Test(.timeLimit(.minutes(10))) func anInterruptedFirstStartIsBegunAnew() async throws {
    try await OpenBaoFixture.withFolder { folder in
      let layout = OpenBaoLayout(folder: folder)
      let supervisor = try OpenBaoFixture.supervisor(folder)
      try await OpenBaoFixture.running(supervisor) { store in try await store.ready() }
      // As if the power had gone between the server's answer and the keys on disk.
      try await SecretFile.write(Redacted([]), to: layout.initializing)
      try await SecretFile.remove(layout.recovery)
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        try await store.ready()
        let path = KVPath(try OpenBaoFixture.path())
        try await store.control.write(path, ["k": Redacted("v")], cas: 0)
        #expect(try await store.gateway.read(path).values["k"]?.reveal() == "v")
      }
    }
  }

  @Test(.timeLimit(.minutes(10))) func aLostCredentialIsIssuedAnew() async throws {
    try await OpenBaoFixture.withFolder { folder in
      let layout = OpenBaoLayout(folder: folder)
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in try await store.ready() }
      try await SecretFile.remove(layout.credential(.gateway))
      try await SecretFile.write(
        AppRoleCredential(roleID: Redacted("x"), secretID: Redacted("y")).fileContent(), to: layout.credential(.control)
      )
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        try await store.ready()
        let path = KVPath(try OpenBaoFixture.path())
        try await store.control.write(path, ["k": Redacted("v")], cas: 0)
        #expect(try await store.gateway.read(path).values["k"]?.reveal() == "v")
      }
    }
  }

  @Test(.timeLimit(.minutes(10))) func aLostSealKeyIsSaidAndNothingIsOverwritten() async throws {
    try await OpenBaoFixture.withFolder { folder in
      let layout = OpenBaoLayout(folder: folder)
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in try await store.ready() }
      let key = try await SecretFile.read(layout.sealKey)
      try await SecretFile.remove(layout.sealKey)
      let broken = try OpenBaoFixture.supervisor(folder)
      #expect(await OpenBaoFixture.code { try await broken.run() } == .failed)
      guard case .failed(let error) = broken.health else {
        Issue.record("the health is \(broken.health)")
        return
      }
      #expect(error.message.contains(layout.sealKey))
      try await SecretFile.write(key, to: layout.sealKey)
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in try await store.ready() }
    }
  }

  @Test(.timeLimit(.minutes(10))) func aServerThatCannotStartIsSaidWithItsLastLines() async throws {
    try await OpenBaoFixture.withFolder { folder in
      // A program that fails at once, and says something that looks like a token.
      let token = "s.abcdefghijklmnopqrstuvwx"
      let script = "/tmp/palana-bao-\(RandomToken.hex(bytes: 6)).sh"
      try await SecretFile.write(Redacted(Array("#!/bin/sh\necho broken \(token)\nexit 3\n".utf8)), to: script)
      #expect(unsafe chmod(script, 0o700) == 0)
      let supervisor = try OpenBaoFixture.supervisor(folder, binary: script)
      try await OpenBaoFixture.running(supervisor) { store in
        let code = await OpenBaoFixture.code { try await store.ready() }
        #expect(code == .failed)
        if case .failed(let error) = store.health {
          #expect(error.message.contains("exited with code 3"))
          #expect(error.hint.contains("broken"))
          #expect(!error.hint.contains(token))
        }
      }
      try await SecretFile.remove(script)
      let missing = try OpenBaoFixture.supervisor(folder, binary: "/nonexistent/bao")
      #expect(await OpenBaoFixture.code { try await missing.run() } == .failed)
    }
  }

  @Test(.timeLimit(.minutes(10))) func anEmptyStorageBesideOldKeysIsNotFilledAnew() async throws {
    try await OpenBaoFixture.withFolder { folder in
      let layout = OpenBaoLayout(folder: folder)
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in try await store.ready() }
      #expect(unsafe rename(layout.data, layout.data + ".away") == 0)
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        #expect(await OpenBaoFixture.code { try await store.ready() } == .failed)
        if case .failed(let error) = store.health { #expect(error.message.contains("empty")) }
      }
      _ = try await Subprocess.run(.name("rm"), arguments: ["-rf", layout.data], output: .discarded)
      #expect(unsafe rename(layout.data + ".away", layout.data) == 0)
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in try await store.ready() }
    }
  }

  @Test(.timeLimit(.minutes(10))) func aFirstSetUpThatEndedWithTheRevocationIsCompleted() async throws {
    try await OpenBaoFixture.withFolder { folder in
      let layout = OpenBaoLayout(folder: folder)
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in try await store.ready() }
      // The root token still stands in the file, though the store does not know it any more.
      try await SecretFile.write(
        Redacted(Array(#"{"recoveryKey":"kept","rootToken":"s.revoked"}"#.utf8)), to: layout.recovery)
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in try await store.ready() }
      let recovery = String(decoding: try await SecretFile.read(layout.recovery).reveal(), as: UTF8.self)
      #expect(recovery == #"{"recoveryKey":"kept"}"#)
    }
  }

  @Test(.timeLimit(.minutes(10))) func aPolicyThatWasChangedIsRepaired() async throws {
    try await OpenBaoFixture.withFolder { folder in
      let layout = OpenBaoLayout(folder: folder)
      let path = KVPath(try OpenBaoFixture.path())
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        try await store.ready()
        try await store.control.write(path, ["k": Redacted("v")], cas: 0)
        let session = VaultSession(
          server: store.gateway.server, credential: .appRole(file: layout.credential(.admin)),
          logger: OpenBaoFixture.logger)
        let admin = VaultClient(server: store.gateway.server, tokens: .session(session))
        try await admin.writePolicy("palana-runtime", "path \"kv/*\" { capabilities = [\"read\"] }")
        try await admin.writeRole("palana-runtime", VaultRole(policies: ["palana-runtime", "default"]))
        #expect(try await store.runtime.read(path).values.count == 1)
      }
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        try await store.ready()
        #expect(await OpenBaoFixture.code { _ = try await store.runtime.read(path) } == .denied)
        #expect(try await store.runtime.tokenFacts().policies == ["palana-runtime"])
      }
    }
  }

  /// A store that somebody else runs, here another daemon's: one token from a file, only watched.
  @Test(.timeLimit(.minutes(10))) func anExternalStoreIsOnlyWatched() async throws {
    try await OpenBaoFixture.withFolder { folder in
      let layout = OpenBaoLayout(folder: folder)
      let tokenFile = folder + ".token"
      let external = try OpenBaoSupervisor(
        OpenBaoConfiguration(
          mode: .external(address: .socket(layout.socket), credential: .tokenFile(tokenFile), caFile: nil),
          healthInterval: .milliseconds(20)), logger: OpenBaoFixture.logger)
      try await OpenBaoFixture.running(external) { other in
        #expect(other.health == .starting || other.health == .unreachable)
        try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
          try await store.ready()
          let session = VaultSession(
            server: store.gateway.server, credential: .appRole(file: layout.credential(.gateway)),
            logger: OpenBaoFixture.logger)
          let token = try await session.token()
          try await OpenBaoFixture.eventually("the missing token is said") {
            if case .failed(let error) = other.health { error.message.contains(tokenFile) } else { false }
          }
          try await SecretFile.write(token.map { Array("\($0)\n".utf8) }, to: tokenFile)
          try await OpenBaoFixture.eventually("the token is used") { other.health.isReady }
          #expect(other.processID == nil)
          let path = try KVPath.installation("some")
          try await other.gateway.write(path, ["k": Redacted("v")], cas: 0)
          #expect(try await other.runtime.read(path).values["k"]?.reveal() == "v")
        }
        try await OpenBaoFixture.eventually("its end is noticed") { other.health == .unreachable }
      }
      try await SecretFile.remove(tokenFile)
    }
  }

  @Test func aPathThatIsTooLongIsRefusedAtOnce() {
    #expect(throws: PalanaError.self) {
      try OpenBaoFixture.supervisor("/" + String(repeating: "long/", count: 30))
    }
  }

  // MARK: What is looked at

  /// Folders 0700, files 0600, the root token gone, the server's log without secrets.
  private func expectPrivate(_ folder: String) async throws {
    let layout = OpenBaoLayout(folder: folder)
    let list = try await Subprocess.run(
      .name("find"), arguments: [folder, "-perm", "/077"], output: .string(limit: 65_536))
    // The socket's own mode does not matter in a folder that nobody else can enter.
    let open = (list.standardOutput).split(separator: "\n").filter { $0 != layout.socket }
    #expect(open.isEmpty, "\(open)")
    let recovery = String(decoding: try await SecretFile.read(layout.recovery).reveal(), as: UTF8.self)
    #expect(!recovery.contains("rootToken"))
    #expect(recovery.contains("recoveryKey"))
    #expect(await OpenBaoFixture.code { _ = try await SecretFile.read(layout.initializing) } == .notFound)
  }

  /// No capabilities, no new privileges, no core dumps, nothing of the daemon's environment, no network.
  private func expectConfined(_ pid: Int32) async throws {
    func file(_ name: String) async throws -> String {
      try await Subprocess.run(
        .name("cat"), arguments: ["/proc/\(pid)/\(name)"], output: .string(limit: 65_536)
      ).standardOutput
    }
    let status = try await file("status")
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
      #expect(status.contains(line))
    }
    #expect(try await file("limits").split(separator: "\n").contains { $0.hasPrefix("Max core file size        0  ") })
    #expect(try await file("coredump_filter").hasPrefix("00000000"))
    #expect(
      try await file("environ").split(separator: "\u{0}").allSatisfy { $0.hasPrefix("PATH=") || $0.hasPrefix("LANG=") })
    // One line for each interface below two of heading: loopback alone.
    #expect(try await file("net/dev").split(separator: "\n").count == 3)
    #expect(try await file("cmdline").contains("server"))
  }

  private func listeners(_ folder: String) async throws -> Int {
    let sockets = try await Subprocess.run(.name("cat"), arguments: ["/proc/net/unix"], output: .string(limit: 1 << 22))
    return sockets.standardOutput.split(separator: "\n").count { $0.hasSuffix("\(folder)/run/bao.sock") }
  }
}
