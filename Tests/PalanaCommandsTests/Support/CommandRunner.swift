import Foundation
import PalanaCore
import Testing

@testable import PalanaCommands

/// What a command did.
struct CommandResult: Sendable {
  var code: Int32
  var output: String
  var error: String
  var requests: [StubRequest] = []
}

/// Runs commands as the program would, with captured surroundings.
enum CommandRunner {
  /// The time in tests.
  static let now = Timestamp(seconds: 1_795_222_800)  // 2026-11-21T01:00:00Z

  /// - Parameter input: standard input; nil: empty.
  static func run(
    _ arguments: [String], home: String = "/nonexistent/palana", input: [UInt8]? = nil, terminal: Bool = false,
    environment: [String: String] = [:], output: ByteSink? = nil
  ) async throws -> CommandResult {
    let (out, err) = (ByteBufferSink(), ByteBufferSink())
    let pipe = Pipe()
    // Written on its own thread: more than a pipe's buffer would block.
    let writer = pipe.fileHandleForWriting
    let content = Data(input ?? [])
    DispatchQueue.global().async {
      try? writer.write(contentsOf: content)
      try? writer.close()
    }
    let io = CommandIO(
      output: output ?? out.sink, error: err.sink,
      input: InputSource(descriptor: pipe.fileHandleForReading.fileDescriptor), inputIsTerminal: false,
      outputIsTerminal: terminal, errorIsTerminal: terminal,
      environment: environment.merging(["PALANA_HOME": home]) { own, _ in own }, clock: WallClock { now })
    let code = await PalanaCommandLine.run(arguments, io: io)
    withExtendedLifetime(pipe) {}
    return CommandResult(code: code, output: out.text, error: err.text)
  }

  /// Runs a command against a stub.
  static func run(
    _ arguments: [String], input: [UInt8]? = nil, terminal: Bool = false, environment: [String: String] = [:],
    streaming: Set<String> = [], _ handler: @escaping StubServer.Handler
  ) async throws -> CommandResult {
    let home = try TemporaryFolder()
    return try await StubServer.with(home: home, streaming: streaming, handler) { stub in
      var result = try await run(
        arguments, home: home.path, input: input, terminal: terminal, environment: environment)
      result.requests = stub.requests
      return result
    }
  }

  /// Runs a command against answers by method and path.
  static func run(
    _ arguments: [String], input: [UInt8]? = nil, terminal: Bool = false, environment: [String: String] = [:],
    answers: [String: String]
  ) async throws -> CommandResult {
    try await run(arguments, input: input, terminal: terminal, environment: environment) { exchange in
      let key = "\(exchange.request.method) \(exchange.request.path)"
      guard let answer = answers[key] else {
        return try await exchange.reply(
          404, #"{"error":{"code":"not_found","message":"no \#(key) here","hint":""}}"#)
      }
      try await exchange.reply(answer)
    }
  }
}

extension StubExchange {
  func reply(_ text: String) async throws { try await reply(200, text) }
}
