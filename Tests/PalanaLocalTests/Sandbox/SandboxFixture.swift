import CLinux
import FoundationEssentials
import Glibc
import Logging
import PalanaAPI
import PalanaCore
import PalanaPlan
import Synchronization
import Testing

@testable import PalanaLocal

/// A runtime with its own home, control groups and network namespaces, all removed at the end in reverse order.
final class SandboxFixture: Sendable {
  let runtime: SandboxRuntime
  let home: String
  let configuration: SandboxConfiguration
  private let cleanups = Mutex<[@Sendable () async -> Void]>([])
  private let count = Mutex(0)
  private static let bases = Mutex<UInt32>(1_000_000)

  static let isPossible = geteuid() == 0 && Files.exists("/usr/bin/crun")

  /// Runs `body` with a prepared runtime and cleans up whether it fails or not.
  static func run(
    logFileBytes: Int = 10 << 20, logFiles: Int = 3, _ body: (SandboxFixture) async throws -> Void
  ) async throws {
    let fixture = try await SandboxFixture(logFileBytes: logFileBytes, logFiles: logFiles)
    do {
      try await fixture.runtime.prepare()
      try await body(fixture)
    } catch {
      await fixture.cleanUp()
      throw error
    }
    await fixture.cleanUp()
  }

  /// Removes what a test process that crashed has left, once.
  private static let swept: Void = {
    for name in Files.names(in: "/tmp") where name.hasPrefix("sandbox-") && !name.hasSuffix("-run") {
      let parts = name.split(separator: "-")
      guard parts.count == 3, let pid = Int32(parts[1]), kill(pid, 0) != 0 else { continue }
      for agent in Files.names(in: "/tmp/\(name)/agents") {
        guard let started = StatusFiles.started("/tmp/\(name)/agents/\(agent)") else { continue }
        ProcessHandle(pid: started.pid, start: started.pidStart)?.signal(SIGKILL)
      }
      try? Files.remove("/tmp/\(name)")
      try? Files.remove("/tmp/\(name)-run")
    }
  }()

  private init(logFileBytes: Int, logFiles: Int) async throws {
    Self.swept
    let name = "sandbox-\(getpid())-\(RandomToken.hex(bytes: 4))"
    home = "/tmp/\(name)"
    var configuration = SandboxConfiguration(
      home: home, runtimeDirectory: home + "-run", programs: try await Self.programs(), caCertificate: "test CA\n")
    configuration.cgroupParent = name
    configuration.logFileBytes = logFileBytes
    configuration.logFiles = logFiles
    self.configuration = configuration
    runtime = SandboxRuntime(configuration: configuration, logger: Logger(label: "test"))
    let home = home
    onCleanUp {
      try? Files.remove(home)
      try? Files.remove(home + "-run")
      for controller in Files.names(in: "/sys/fs/cgroup") { _ = unsafe rmdir("/sys/fs/cgroup/\(controller)/\(name)") }
      _ = unsafe rmdir("/sys/fs/cgroup/\(name)")
    }
    onCleanUp { [runtime] in
      for (id, state) in runtime.list() {
        if case .running = state { _ = try? await runtime.kill(id) }
      }
    }
  }

  func onCleanUp(_ body: @escaping @Sendable () async -> Void) { cleanups.withLock { $0.append(body) } }

  private func cleanUp() async {
    for body in cleanups.withLock({ $0.reversed() }) { await body() }
  }

  private static let built = Mutex<String?>(nil)

  /// Builds init and shim once for all tests.
  private static func programs() async throws -> String {
    if let done = built.withLock({ $0 }) { return done }
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let folder = "/tmp/sandbox-programs-\(geteuid())"
    let result = try await Program.run("/bin/bash", [root.appending(path: "Sandbox/build").path, folder])
    try #require(result.succeeded, "\(result.error)")
    built.withLock { $0 = folder }
    return folder
  }

  /// A network namespace of the test's own, without any interface but the loopback.
  func networkNamespace() throws -> String {
    try Files.makeFolder(home + "/netns")
    let number = count.withLock { count in
      count += 1
      return count
    }
    let path = "\(home)/netns/\(number)"
    let result = unsafe clnet_namespace_create(path)
    try #require(result == 0, "network namespace: \(SystemCall.text(-result))")
    onCleanUp { _ = unsafe clnet_namespace_remove(path) }
    return path
  }

  func plan(
    _ args: [String], name: String = "demo", image: String? = nil, memory: Int64 = 256 << 20, pids: Int = 64,
    storage: Int64 = 64 << 20, cpuMilli: Int64 = 2000, env: [String: String] = [:], requires: [RequiredProgram] = []
  ) throws -> AgentPlan {
    let owner = try UserIdentity("alice@example.com")
    let name = try ResourceName(name)
    let environment = AgentEnvironment(agent: name, owner: owner, platform: Self.platform)
    return AgentPlan(
      id: AgentID(owner: owner, name: name), name: name, owner: owner, uid: "1",
      rootfs: image.map { .image($0) } ?? .host,
      process: AgentPlan.Process(
        args: args, workingDirectory: "", env: environment.variables(written: env, bindings: [])),
      limits: AgentPlan.Limits(cpuMilli: cpuMilli, memoryBytes: memory, pids: pids, storageBytes: storage),
      machine: AgentPlan.Machine(
        network: AgentPlan.Network(
          address: .v4(0x0a4d_0005), gateway: .v4(0x0a4d_0001), gatewayPorts: [3128], prefix: 16),
        idBase: Self.bases.withLock {
          $0 += 65_536
          return $0
        }), restart: .never, graceSeconds: 10, readableSecrets: [],
      requires: requires, ports: [])
  }

  static let platform = PlatformFacts(gateway: .v4(0x0a4d_0001), prefix: 16, proxyPort: 3128)

  @discardableResult
  func start(
    _ plan: AgentPlan, secrets: [String: String] = [:], netns: String? = nil
  ) async throws -> RunningSandbox {
    try await runtime.start(
      SandboxStart(
        plan: plan, platform: Self.platform, proxyToken: Redacted("t0ken"),
        networkNamespace: try netns ?? networkNamespace(),
        secretFiles: secrets.mapValues { Redacted(Array($0.utf8)) }))
  }

  /// Runs a plan to its end; its output and how it ended.
  func finish(_ plan: AgentPlan, secrets: [String: String] = [:]) async throws -> (text: String, exit: SandboxExit) {
    try await start(plan, secrets: secrets)
    let exit = try await runtime.awaitExit(of: plan.id)
    return (try await log(plan.id), exit)
  }

  func log(_ id: AgentID, _ options: LogOptions = LogOptions()) async throws -> String {
    var text = ""
    for try await line in try await runtime.logs(of: id, options) { text += line.text + "\n" }
    return text
  }

  /// A command in a running sandbox: code, output, error output.
  func exec(
    _ id: AgentID, _ command: [String], terminal: ExecRequest.TerminalSize? = nil, input: [ExecInput] = [.endOfInput],
    env: [String: String] = [:]
  ) async throws -> (code: Int32, out: String, error: String) {
    let (stream, continuation) = AsyncStream.makeStream(of: ExecInput.self)
    for piece in input { continuation.yield(piece) }
    if terminal == nil { continuation.finish() }
    let collected = Mutex<(out: [UInt8], error: [UInt8])>(([], []))
    let code = try await runtime.exec(
      in: id, ExecRequest(command: command, terminal: terminal, env: env), input: stream
    ) { output in
      collected.withLock { collected in
        switch output {
        case .stdout(let bytes): collected.out += bytes
        case .stderr(let bytes): collected.error += bytes
        }
      }
    }
    return collected.withLock {
      (code, String(decoding: $0.out, as: UTF8.self), String(decoding: $0.error, as: UTF8.self))
    }
  }
}

/// Suites that start real sandboxes hang below this one, so that all are skipped together where that is not possible.
@Suite("Sandbox", .enabled(if: SandboxFixture.isPossible, "needs root and crun"))
enum SandboxSuites {}
