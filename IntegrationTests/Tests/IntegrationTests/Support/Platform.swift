import Foundation
import Synchronization
import Testing

/// One installation of Palana for tests: its own home, subnet, names of interfaces, upstream. Ends with everything it made.
final class Platform: Sendable {
  let home: String
  let prefix: String
  let gateway: String
  let upstream: Upstream
  /// Names that resolve to the upstream.
  static let names = ["allowed.test", "other.test", "evil.test", "api.github.com"]

  /// A platform that several suites share; it ends with the process.
  static let shared = SharedPlatform()

  private static let next = Mutex(0)

  /// - Parameters:
  ///   - configuration: further YAML.
  ///   - egress: further lines of the `egress` group.
  ///   - control: the control API's TCP address; empty: none.
  init(configuration: String = "", egress: [String] = [], control: String = "") async throws {
    let number = Self.next.withLock { value in
      value += 1
      return value
    }
    let token = String(UInt32.random(in: 0x100...0xfff), radix: 16)
    prefix = "t\(token)\(number)"
    home = "/tmp/palana-it-\(prefix)"
    let net = "10.\(Int.random(in: 128...254)).\(number * 8 % 256)"
    gateway = "\(net).1"
    let folder = home + "-upstream"
    // An address of its own, so that only this one private address is opened.
    let address = "127.\(Int.random(in: 80...250)).\(number % 256).\(Int.random(in: 2...250))"
    upstream = try await Upstream(folder: folder, address: address, names: Self.names)
    try FileManager.default.createDirectory(
      atPath: home, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let hosts = Self.names.map { "\($0): \"\(address)\"" }.joined(separator: ", ")
    try """
    home: \(home)
    control: {listen: "\(control)"}
    network: {subnet: \(net).0/21, prefix: \(prefix)}
    egress:
      dns: {hosts: {\(hosts)}}
      upstreamCA: ["\(upstream.caFile)"]
      allowAddresses: ["\(address)/32"]
    \(egress.map { "  \($0)\n" }.joined())
    \(configuration)
    """.write(toFile: home + "/config.yaml", atomically: true, encoding: .utf8)
  }

  /// Runs `pcli` against this installation.
  @discardableResult
  func pcli(_ arguments: String..., input: String = "", expect code: Int32? = 0) async throws -> Finished {
    try await pcli(arguments, input: input, expect: code)
  }

  @discardableResult
  func pcli(_ arguments: [String], input: String = "", expect code: Int32? = 0) async throws -> Finished {
    let finished = try await run(Checkout.pcli, ["--home", home] + arguments, input: input, environment: ["PALANAD": Checkout.palanad])
    if let code, finished.code != code {
      Issue.record(
        "pcli \(arguments.joined(separator: " ")) ended with \(finished.code), not \(code): \(finished.error)\(finished.output.prefix(2000))"
      )
      throw UnexpectedExit(code: finished.code)
    }
    return finished
  }

  func up() async throws { try await pcli("up", "--config", home + "/config.yaml") }

  /// The daemon's process.
  func daemon() throws -> Int32 {
    let text = try String(contentsOfFile: home + "/run/palanad.lock", encoding: .utf8)
    return try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
  }

  /// Whether the daemon's process runs. One that has ended and that nobody has collected yet does not.
  func daemonIsAlive() throws -> Bool { isAlive(try daemon()) }

  /// Every process of the installation: in its control groups, or with its folder in the command line.
  func processes() throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { process in
      guard isAlive(process) else { return false }
      let group = (try? String(contentsOfFile: "/proc/\(process)/cgroup", encoding: .utf8)) ?? ""
      let line = commandLine(of: process)
      // Its folder, not the one of its upstream.
      return group.contains("/\(prefix)/") || line.contains(home + "/") || line.contains(home + "\0")
    }
  }

  /// Removes the firewall's tables and the interfaces.
  func removeNetwork() async throws {
    for table in try await run("/usr/sbin/nft", ["list", "tables"]).output.split(separator: "\n") where table.hasSuffix("_" + prefix) {
      _ = try await run("/usr/sbin/nft", ["delete"] + table.split(separator: " ").map(String.init))
    }
    for link in try FileManager.default.contentsOfDirectory(atPath: "/sys/class/net") where link.hasPrefix(prefix) {
      _ = try await run("/usr/sbin/ip", ["link", "del", link])
    }
  }

  /// Ends it and removes every trace, also of a daemon that died and left its agents running: a new one finds them and stops them.
  func tearDown() async {
    if (try? daemonIsAlive()) != true, FileManager.default.fileExists(atPath: home + "/run") {
      _ = try? await pcli("up", "--config", home + "/config.yaml", expect: nil)
    }
    _ = try? await pcli("down", expect: nil)
    // A start that failed leaves the firewall standing, for agents that may still run.
    try? await removeNetwork()
    upstream.stop()
    try? FileManager.default.removeItem(atPath: home)
    try? FileManager.default.removeItem(atPath: upstream.folder)
  }
}

struct UnexpectedExit: Error { var code: Int32 }

/// The arguments of a process, each with a NUL behind it; empty when it has gone.
func commandLine(of process: Int32) -> String {
  (try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)) ?? ""
}

/// Whether a process runs: it exists and is no zombie (proc(5), the state of `/proc/PID/stat`).
func isAlive(_ process: Int32) -> Bool {
  guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
    let state = stat.split(separator: ")").last?.split(separator: " ").first
  else { return false }
  return state != "Z" && state != "X"
}

/// Starts one platform for whoever asks first.
actor SharedPlatform {
  private var platform: Platform?
  private var waiting: [CheckedContinuation<Void, Never>] = []
  private var isStarting = false

  func get() async throws -> Platform {
    while isStarting { await withCheckedContinuation { waiting.append($0) } }
    if let platform { return platform }
    isStarting = true
    defer {
      isStarting = false
      for one in waiting { one.resume() }
      waiting = []
    }
    let made = try await Platform()
    do {
      try await made.up()
    } catch {
      await made.tearDown()
      throw error
    }
    platform = made
    SharedTearDown.register(made)
    return made
  }
}

/// Runs `body` with a platform of its own.
func withPlatform(
  configuration: String = "", egress: [String] = [], control: String = "", _ body: (Platform) async throws -> Void
) async throws {
  let platform = try await Platform(configuration: configuration, egress: egress, control: control)
  do {
    try await platform.up()
    try await body(platform)
  } catch {
    await platform.tearDown()
    throw error
  }
  await platform.tearDown()
}

/// Ends the shared platform with the test process, which has no other place for it.
private enum SharedTearDown {
  private static let home = Mutex<(home: String, upstream: Upstream)?>(nil)

  static func register(_ platform: Platform) {
    home.withLock { $0 = (platform.home, platform.upstream) }
    atexit {
      guard let (home, upstream) = SharedTearDown.home.withLock({ $0 }) else { return }
      let process = Process()
      process.executableURL = URL(filePath: Checkout.pcli)
      process.arguments = ["--home", home, "down"]
      try? process.run()
      process.waitUntilExit()
      upstream.stop()
      try? FileManager.default.removeItem(atPath: home)
      try? FileManager.default.removeItem(atPath: upstream.folder)
    }
  }
}
