import Foundation
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// What a finished program left.
struct Finished: Sendable {
  var code: Int32
  var output: String
  var error: String

  /// The standard output as JSON.
  func json() throws -> JSON { try JSON(parsing: output) }

  /// The standard output as JSON lines.
  func jsonLines() throws -> [JSON] { try output.split(separator: "\n").map { try JSON(parsing: String($0)) } }
}

/// Runs a program to its end; 128 plus the signal when a signal ended it. One that takes minutes hangs: it is ended with code 124, so that
/// the tests go on, and say which it was.
func run(
  _ program: String, _ arguments: [String], input: String = "", environment: [String: String] = [:]
) async throws -> Finished {
  var variables: [Subprocess.Environment.Key: String?] = [:]
  for (name, value) in environment { variables[.init(stringLiteral: name)] = value }
  let result = try await Subprocess.run(
    .path("/usr/bin/timeout"), arguments: Arguments(["-k", "5", "180", program] + arguments), environment: .inherit.updating(variables),
    input: .string(input), output: .string(limit: 16 << 20), error: .string(limit: 16 << 20))
  let code: Int32 =
    switch result.terminationStatus {
    case .exited(let code): code
    case .signaled(let signal): 128 + signal
    }
  return Finished(code: code, output: result.standardOutput, error: result.standardError)
}
