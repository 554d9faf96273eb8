import Foundation
import Synchronization

/// A real HTTPS and HTTP server on an address of this machine (see upstream/upstream.py).
final class Upstream: Sendable {
  let folder: String
  let address: String
  let httpsPort: Int
  let httpPort: Int
  private let process: Mutex<Process>
  /// The server ends when this pipe does, so also when the test process dies.
  private let lifeline: Mutex<Pipe>

  var caFile: String { folder + "/ca.pem" }

  init(folder: String, address: String, names: [String]) async throws {
    self.folder = folder
    self.address = address
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let process = Process()
    process.executableURL = URL(filePath: Checkout.python)
    process.arguments = [Checkout.root + "IntegrationTests/upstream/upstream.py", folder, address] + names
    let lifeline = Pipe()
    process.standardInput = lifeline
    _ = FileManager.default.createFile(atPath: folder + "/log", contents: nil)
    // Nobody's pipe may stay open in it: who reads the tests' output waits for its end.
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle(forWritingAtPath: folder + "/log")
    try process.run()
    self.lifeline = Mutex(lifeline)
    let path = folder + "/ports.json"
    try await waitUntil("the upstream listens") { FileManager.default.fileExists(atPath: path) }
    let ports = try JSON(parsing: String(contentsOfFile: path, encoding: .utf8))
    httpsPort = Int(ports["https"].number ?? 0)
    httpPort = Int(ports["http"].number ?? 0)
    self.process = Mutex(process)
  }

  /// Every request that came in so far, as it came in.
  func received() throws -> [JSON] {
    guard let text = try? String(contentsOfFile: folder + "/received.jsonl", encoding: .utf8) else { return [] }
    return try text.split(separator: "\n").map { try JSON(parsing: String($0)) }
  }

  /// Ends the server. A signal that asks would not do: threads of the test process have signals blocked, and children inherit that.
  func stop() {
    process.withLock { process in
      guard process.isRunning else { return }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
  }
  deinit { stop() }
}

/// A condition that did not come true in time.
struct TimedOut: Error, CustomStringConvertible {
  var description: String
}

/// Looks at a condition until it holds. The pause between two looks is short and says nothing about the time it may take.
func waitUntil(
  _ what: String, within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < deadline else { throw TimedOut(description: "not in time: \(what)") }
    try await Task.sleep(for: .milliseconds(20))
  }
}
