import Glibc
import PalanaCore
import Subprocess
import SystemPackage

/// This daemon's own program as another process, which takes a description on its standard input and answers with lines.
///
/// Another process, because what it is for is to speak with whoever answers in an agent's network: it gives up what the daemon
/// may do before it does that, and nothing that it reads comes near the daemon's secrets.
package enum NetworkProcess {
  /// Bytes of one line, and lines, at most: it is not believed more than any other program.
  private static let lineLimit = 16_384
  private static let linesLimit = 2000

  /// Runs it to its end; kills it when the task is cancelled, `line` throws, or the time is over.
  /// - Parameter line: gets each line as it comes, without its end.
  /// - Throws: what `line` throws; ``PalanaError`` with code `failed` for the rest.
  package static func run(
    _ arguments: [String], input: [UInt8], within limit: Duration, line: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await converse(arguments, input, line)
        return true
      }
      group.addTask {
        try await Task.sleep(for: limit, clock: .continuous)
        return false
      }
      defer { group.cancelAll() }
      if try await group.next() == false { throw PalanaError(.failed, "it did not end within \(limit)") }
    }
  }

  private static var options: PlatformOptions {
    var options = PlatformOptions()
    options.teardownSequence = [.send(signal: .kill, allowedDurationToNextStep: .milliseconds(100))]
    return options
  }

  private static func converse(
    _ arguments: [String], _ input: [UInt8], _ line: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    // The link, not where it leads: after an upgrade the file there is another version's.
    let result = try await Subprocess.run(
      .path("/proc/self/exe"), arguments: Arguments(arguments), environment: .custom([:]), platformOptions: options,
      input: .inputWriter, output: .sequence, error: .discarded
    ) { execution in
      _ = try await execution.standardInputWriter.write(input)
      try await execution.standardInputWriter.finish()
      var rest: [UInt8] = []
      var count = 0
      for try await buffer in execution.standardOutput {
        rest += unsafe buffer.withUnsafeBytes { unsafe Array($0) }
        while let end = rest.firstIndex(of: 10) {
          count += 1
          guard count <= linesLimit, end <= lineLimit else { throw PalanaError(.failed, "it said more than it may") }
          try await line(Array(rest[..<end]))
          rest.removeFirst(end + 1)
        }
        guard rest.count <= lineLimit else { throw PalanaError(.failed, "it said more than it may") }
      }
    }
    guard result.terminationStatus.isSuccess else { throw PalanaError(.failed, "it ended with \(result.terminationStatus)") }
  }
}
