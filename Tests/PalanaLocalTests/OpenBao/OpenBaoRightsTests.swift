import Glibc
import Logging
import PalanaAPI
import PalanaCore
import PalanaLocal
import PalanaPolicy
import PalanaSecrets
import Subprocess
import Synchronization
import Testing

/// Who may do what in the real store, attacks on that, rotation, and where a value may never be found.
@Suite(.serialized, .enabled(if: OpenBaoFixture.isThere)) struct OpenBaoRightsTests {
  @Test(.timeLimit(.minutes(10))) func eachPurposeMayDoItsWorkAndNothingElse() async throws {
    try await OpenBaoFixture.withFolder { folder in
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        try await store.ready()
        let layout = OpenBaoLayout(folder: folder)
        let proxy = KVPath(try OpenBaoFixture.path("P", .proxySecrets))
        let readable = KVPath(try OpenBaoFixture.path("R", .agents))
        let own = try KVPath.installation("ca")
        try await store.control.write(proxy, ["k": Redacted("v")], cas: 0)
        try await store.control.write(readable, ["k": Redacted("v")], cas: 0)
        try await store.gateway.write(own, ["k": Redacted("v")], cas: 0)
        let admin = VaultClient(
          server: store.gateway.server,
          tokens: .session(
            VaultSession(
              server: store.gateway.server, credential: .appRole(file: layout.credential(.admin)),
              logger: OpenBaoFixture.logger)))
        let nobody = VaultClient(server: store.gateway.server, tokens: .none)
        let clients: [(String, VaultClient)] = [
          ("gateway", store.gateway), ("control", store.control), ("runtime", store.runtime), ("admin", admin),
          ("nobody", nobody),
          ("forged", VaultClient(server: store.gateway.server, tokens: .fixed(Redacted("s.forged")))),
        ]
        /// What is tried, by whom it may be done, on which paths.
        let attempts: [(String, KVPath, Set<String>, @Sendable (VaultClient, KVPath) async throws -> Void)] = [
          ("read", proxy, ["gateway"], { client, path in _ = try await client.read(path) }),
          ("read", readable, ["runtime"], { client, path in _ = try await client.read(path) }),
          ("read", own, ["gateway"], { client, path in _ = try await client.read(path) }),
          ("metadata", proxy, ["control"], { client, path in _ = try await client.metadata(path) }),
          ("metadata", readable, ["control"], { client, path in _ = try await client.metadata(path) }),
          ("metadata", own, [], { client, path in _ = try await client.metadata(path) }),
          ("list", proxy, ["control"], { client, path in _ = try await client.list(path) }),
          ("list", own, [], { client, path in _ = try await client.list(path) }),
          ("write", own, [], { client, path in try await client.write(path, ["k": Redacted("x")], cas: 1) }),
          ("patch", own, [], { client, path in try await client.patch(path, ["k": Redacted("x")], cas: 1) }),
          ("delete", own, [], { client, path in try await client.delete(path) }),
          (
            "patch", readable, ["control"],
            { client, path in try await client.patch(path, ["k": Redacted("x")], cas: 1) }
          ),
          ("delete", proxy, ["control"], { client, path in try await client.delete(path) }),
          ("policy", own, ["admin"], { client, _ in _ = try await client.policy("palana-gateway") }),
          ("foreign policy", own, [], { client, _ in try await client.writePolicy("default", "") }),
          ("mounts", own, [], { client, _ in try await client.mountKV() }),
          ("role", own, ["admin"], { client, _ in _ = try await client.newCredential("palana-runtime") }),
          ("foreign role", own, [], { client, _ in try await client.writeRole("other", VaultRole(policies: ["x"])) }),
        ]
        for (what, path, allowed, attempt) in attempts {
          for (name, client) in clients {
            let code = await OpenBaoFixture.code { try await attempt(client, path) }
            let expected: PalanaError.Code? = allowed.contains(name) ? nil : .denied
            #expect(code == expected, "\(what) of \(path) by \(name)")
          }
        }
        for (name, client) in clients.prefix(4) {
          #expect(try await client.tokenFacts().policies == ["palana-\(name)"])
        }
      }
    }
  }

  @Test(.timeLimit(.minutes(10))) func secretsOfAgentsFromEndToEnd() async throws {
    try await OpenBaoFixture.withFolder { folder in
      let time = Mutex(Duration.zero)
      let clock = MonotonicClock { time.withLock { $0 } }
      let path = try OpenBaoFixture.path("GITHUB_PAT")
      let ref = SecretRef(path: path, key: "token")
      let cache = Mutex<CachingSecretSource?>(nil)
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        try await store.ready()
        let secrets = AgentSecrets(store: store.control)
        let gateway = store.gateway
        let source = CachingSecretSource(clock: clock) { path async throws(PalanaError) in
          try await gateway.read(KVPath(path)).values
        }
        cache.withLock { $0 = source }
        func add(_ value: String) async throws {
          try await secrets.add(
            owner: path.owner, agent: path.agent, secret: path.secret, access: .proxyOnly,
            values: ["token": Redacted(value)])
        }
        func rotate(_ value: String) async throws {
          try await secrets.rotate(
            owner: path.owner, agent: path.agent, secret: path.secret, access: .proxyOnly,
            values: ["token": Redacted(value)])
        }
        #expect(await OpenBaoFixture.code { try await rotate("early") } == .notFound)
        try await add("v1")
        #expect(await OpenBaoFixture.code { try await add("v2") } == .conflict)
        #expect(try await source.value(of: ref, revision: 1).reveal() == "v1")
        try await rotate("v2")
        #expect(try await source.value(of: ref, revision: 2).reveal() == "v2")
        // The value that was rotated away is gone, also for whoever may read.
        #expect(
          try await secrets.metadata(owner: path.owner, agent: path.agent, secret: path.secret, access: .proxyOnly)
            .version == 2)
        #expect(try await secrets.names(.proxySecrets, owner: path.owner, agent: path.agent) == ["GITHUB_PAT"])
        // Two that rotate at once: at least one wins, and who loses hears of it.
        let codes = await withTaskGroup(of: PalanaError.Code?.self) { group in
          for index in 0..<8 { group.addTask { await OpenBaoFixture.code { try await rotate("r\(index)") } } }
          return await group.reduce(into: [PalanaError.Code?]()) { $0.append($1) }
        }
        #expect(codes.contains(nil))
        #expect(codes.allSatisfy { $0 == nil || $0 == .conflict })
        #expect(try await source.value(of: ref, revision: 3).reveal().hasPrefix("r"))
        try await secrets.removeAll(owner: path.owner, agent: path.agent)
        #expect(await OpenBaoFixture.code { _ = try await source.value(of: ref, revision: 4) } == .notFound)
        time.withLock { $0 += .seconds(1) }
        try await add("last")
        #expect(try await source.value(of: ref, revision: 1).reveal() == "last")
      }
      // The store is down now: what is in memory ends with its life, and then there is nothing.
      let source = try #require(cache.withLock { $0 })
      #expect(source.cachedValue(of: ref, revision: 1)?.reveal() == "last")
      time.withLock { $0 += .seconds(30) }
      #expect(source.cachedValue(of: ref, revision: 1) == nil)
      #expect(await OpenBaoFixture.code { _ = try await source.value(of: ref, revision: 1) } == .unreachable)
    }
  }

  @Test(.timeLimit(.minutes(10))) func readableSecretsBecomeFilesAndInstallationSecretsAreMadeOnce() async throws {
    try await OpenBaoFixture.withFolder { folder in
      try await OpenBaoFixture.running(OpenBaoFixture.supervisor(folder)) { store in
        try await store.ready()
        let path = try OpenBaoFixture.path("TLS", .agents)
        let secrets = AgentSecrets(store: store.control)
        try await secrets.add(
          owner: path.owner, agent: path.agent, secret: "TLS", access: .agentReadable,
          values: ["tls.crt": Redacted("a\nb\n"), "tls.key": Redacted("c\n")])
        try await secrets.add(
          owner: path.owner, agent: path.agent, secret: "ONE", access: .agentReadable, values: ["any": Redacted("d")])
        let readable = ReadableSecrets(store: store.runtime)
        let files = try await readable.files(owner: path.owner, agent: path.agent, secrets: ["TLS", "ONE"])
        #expect(
          files.mapValues { String(decoding: $0.reveal(), as: UTF8.self) } == [
            "TLS/tls.crt": "a\nb\n", "TLS/tls.key": "c\n", "ONE": "d",
          ])
        #expect(
          await OpenBaoFixture.code {
            _ = try await readable.files(owner: path.owner, agent: path.agent, secrets: ["GONE"])
          } == .notFound)

        let installation = InstallationSecrets(store: store.gateway)
        let values = try await withThrowingTaskGroup(of: String.self) { group in
          for index in 0..<8 {
            group.addTask {
              try await installation.value("proxy-token-key") { ["key": Redacted("made-\(index)")] }["key"]?.reveal()
                ?? ""
            }
          }
          return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(values.count == 1)
        let again = try await installation.value("proxy-token-key") { ["key": Redacted("other")] }
        #expect(again["key"].map { values.contains($0.reveal()) } == true)
      }
    }
  }

  @Test(.timeLimit(.minutes(10))) func aCanaryIsNowhereInClear() async throws {
    let canary = "canary-\(RandomToken.hex(bytes: 16))"
    try await OpenBaoFixture.withFolder { folder in
      let lines = Mutex<[String]>([])
      let logger = Logger(label: "test") { _ in RecordingLogHandler { line in lines.withLock { $0.append(line) } } }
      let supervisor = try OpenBaoSupervisor(
        OpenBaoConfiguration(mode: .supervised(binary: OpenBaoFixture.binary, folder: folder)), logger: logger)
      try await OpenBaoFixture.running(supervisor) { store in
        try await store.ready()
        let path = KVPath(try OpenBaoFixture.path())
        try await store.control.write(path, ["k": Redacted(canary)], cas: 0)
        try await store.control.patch(path, ["k2": Redacted(canary)], cas: 1)
        let read = try await store.gateway.read(path)
        #expect(read.values["k2"]?.reveal() == canary)
        var said = "\(read) \(store.gateway) \(store)"
        dump(read, to: &said)
        // Errors of every kind that are about this value.
        do { try await store.control.write(path, ["k": Redacted(canary)], cas: 0) } catch { said += "\(error)" }
        do { try await store.runtime.write(path, ["k": Redacted(canary)], cas: 0) } catch { said += "\(error)" }
        #expect(!said.contains(canary))
        let pid = try #require(store.processID)
        #expect(try await grep(canary, "/proc/\(pid)/environ", "/proc/\(pid)/cmdline") == [])
      }
      #expect(!lines.withLock { $0.joined() }.contains(canary))
      // Not in the log, not in the credentials, and encrypted in the storage.
      #expect(try await grep(canary, "-r", folder) == [])
    }
  }

  private func grep(_ text: String, _ arguments: String...) async throws -> [Substring] {
    let result = try await Subprocess.run(
      .name("grep"), arguments: Arguments(["-alF", text] + arguments), output: .string(limit: 65_536))
    return result.standardOutput.split(separator: "\n")
  }
}

/// Hands every line with all that belongs to it to a test.
private struct RecordingLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.trace
  let record: @Sendable (String) -> Void

  init(_ record: @escaping @Sendable (String) -> Void) { self.record = record }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) { record("\(event.message) \(event.metadata ?? [:])") }
}
