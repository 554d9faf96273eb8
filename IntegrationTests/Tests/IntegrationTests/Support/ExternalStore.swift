import Foundation
import Synchronization
import Testing

/// A real OpenBao server with TLS in a folder of its own (see store/store.py).
final class ExternalStore: Sendable {
  let folder = "/tmp/palana-it-store-\(UInt32.random(in: 0...UInt32.max))"
  let address: String
  private let bao: String
  private let root: String
  private let key: String
  private let process: Mutex<Process>
  /// The server ends when this pipe does, so also when the test process dies.
  private let lifeline: Mutex<Pipe>

  init() async throws {
    bao = (ProcessInfo.processInfo.environment["PALANA_TOOLS"] ?? "/opt/palana/tools") + "/openbao/bao"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    // The policy that the documentation gives is the one that has to be enough.
    let page = try String(contentsOfFile: Checkout.root + "docs/secrets.md", encoding: .utf8)
    let policy = try #require(page.components(separatedBy: "```hcl\n").last?.components(separatedBy: "```").first)
    try policy.write(toFile: folder + "/policy.hcl", atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(filePath: Checkout.python)
    process.arguments = [Checkout.root + "IntegrationTests/store/store.py", folder, bao, folder + "/policy.hcl"]
    let lifeline = Pipe()
    process.standardInput = lifeline
    _ = FileManager.default.createFile(atPath: folder + "/log", contents: nil)
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle(forWritingAtPath: folder + "/log")
    try process.run()
    let path = folder + "/store.json"
    do {
      try await waitUntil("the store is ready") { FileManager.default.fileExists(atPath: path) }
    } catch {
      kill(process.processIdentifier, SIGKILL)
      let log = (try? String(contentsOfFile: folder + "/log", encoding: .utf8)) ?? ""
      Issue.record("\(log)")
      throw error
    }
    self.lifeline = Mutex(lifeline)
    self.process = Mutex(process)
    let facts = try JSON(parsing: String(contentsOfFile: path, encoding: .utf8))
    address = try #require(facts["address"].string)
    root = try #require(facts["root"].string)
    key = try #require(facts["key"].string)
  }

  /// The platform's configuration; `authority` is the name of a file in the folder.
  func configuration(authority: String = "ca.pem") -> String {
    "secrets: {address: \"\(address)\", tokenFile: \"\(folder)/token\", caFile: \"\(folder)/\(authority)\"}"
  }

  /// Writes a proxy-only value at its path, as somebody without Palana would.
  func put(_ owner: String, _ agent: String, _ secret: String, _ value: String) async throws -> Finished {
    try await run(
      bao, ["kv", "put", "-cas=0", "-mount=kv", "proxy-secrets/\(owner)/\(agent)/\(secret)", "token=\(value)"],
      environment: ["BAO_ADDR": address, "BAO_CACERT": folder + "/ca.pem", "BAO_TOKEN": root])
  }

  /// One field of a secret, as the root.
  func read(_ path: String, _ field: String) async throws -> String {
    let done = try await run(
      bao, ["kv", "get", "-mount=kv", "-field=\(field)", path],
      environment: ["BAO_ADDR": address, "BAO_CACERT": folder + "/ca.pem", "BAO_TOKEN": root])
    #expect(done.code == 0, "\(done.error)")
    return done.output
  }

  func seal() async throws { try await operate("seal") }
  func unseal() async throws { try await operate("unseal", key) }

  private func operate(_ arguments: String...) async throws {
    let done = try await run(
      bao, ["operator"] + arguments, environment: ["BAO_ADDR": address, "BAO_CACERT": folder + "/ca.pem", "BAO_TOKEN": root])
    #expect(done.code == 0, "\(done.error)")
  }

  /// Ends the server, which dies with the program that started it.
  func stop() {
    process.withLock { process in
      guard process.isRunning else { return }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    try? FileManager.default.removeItem(atPath: folder)
  }

  deinit { stop() }
}
