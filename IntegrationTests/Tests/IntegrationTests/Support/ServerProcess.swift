import Foundation
import Synchronization

/// A program of the tests that serves until its standard input ends, so also when the test process dies. It says its port in a file.
final class ServerProcess: Sendable {
  private let process: Mutex<Process>
  private let lifeline: Mutex<Pipe>
  private let portFile: String
  let log: String

  /// - Parameter portFile: holds the port as JSON, once it listens.
  init(_ program: String, _ arguments: [String], portFile: String, log: String) throws {
    self.portFile = portFile
    self.log = log
    let (process, lifeline) = (Process(), Pipe())
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.standardInput = lifeline
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    process.standardOutput = FileHandle(forWritingAtPath: log)
    process.standardError = FileHandle(forWritingAtPath: log)
    try process.run()
    self.process = Mutex(process)
    self.lifeline = Mutex(lifeline)
  }

  /// Waits until it listens.
  func port(within limit: Duration = .seconds(60)) async throws -> Int {
    let what = URL(filePath: portFile).lastPathComponent
    try await waitUntil("\(what) is there", within: limit) {
      guard process.withLock({ $0.isRunning }) else {
        throw TimedOut(description: "it ended: \((try? String(contentsOfFile: log, encoding: .utf8)) ?? "")")
      }
      return FileManager.default.fileExists(atPath: portFile)
    }
    return Int(try JSON(parsing: String(contentsOfFile: portFile, encoding: .utf8)).number ?? 0)
  }

  /// Ends it at once; whoever is connected to it sees that.
  func stop() {
    process.withLock { process in
      guard process.isRunning else { return }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
  }

  deinit { stop() }
}
