import NIOCore
import PalanaControlAPI
import PalanaCore
import Testing

@testable import PalanaCommands

@Suite("pcli: exec")
struct ExecTests {
  private static let path = "/v1/agents/demo/exec"

  /// Runs `exec` against a server that reads frames until `until` and then answers as `answer` says.
  private func exec(
    _ words: [String] = ["exec", "demo", "--", "tool"], input: [UInt8]? = nil,
    _ handler: @escaping @Sendable (ExecFrame, StubExchange) async throws -> Bool
  ) async throws -> CommandResult {
    try await CommandRunner.run(words, input: input, streaming: [Self.path]) { exchange in
      try await exchange.begin(type: "application/x-palana-exec")
      var decoder = ExecFrameDecoder()
      while let bytes = try await exchange.next() {
        decoder.push(bytes)
        while let frame = try decoder.next() {
          if try await handler(frame, exchange) { return try await exchange.end() }
        }
      }
      try await exchange.end()
    }
  }

  @Test(
    "input goes in, output and errors come out while it goes, and the code is the command's",
    arguments: [0, 1, 7, 130, 255])
  func echo(_ code: Int32) async throws {
    let input = (0..<200_000).map { UInt8(truncatingIfNeeded: 97 + $0 % 26) }
    let result = try await exec(input: input) { frame, exchange in
      switch frame {
      case .start(let start):
        #expect(start.command == ["tool"] && start.terminal == nil)
        try await exchange.write(ExecFrame.stderr(Array("ready\n".utf8)).encoded())
      case .stdin(let bytes): try await exchange.write(ExecFrame.stdout(bytes).encoded())
      case .endOfInput:
        try await exchange.write(ExecFrame.exit(code).encoded())
        return true
      default: #expect(Bool(false), "\(frame)")
      }
      return false
    }
    #expect(result.code == code)
    #expect(result.output.utf8.elementsEqual(input))
    #expect(result.error == "ready\n")
  }

  @Test("a command that ends without reading its input is not waited for", .timeLimit(.minutes(10)))
  func early() async throws {
    let result = try await exec(input: [UInt8](repeating: 97, count: 8 << 20)) { frame, exchange in
      guard case .start = frame else { return false }
      try await exchange.write(ExecFrame.exit(3).encoded())
      return true
    }
    #expect(result.code == 3)
  }

  @Test("what it is given: variables, folder, terminal")
  func start() async throws {
    let words = ["exec", "demo", "-t", "--env", "A=1", "-w", "/data", "--", "sh", "-l"]
    let result = try await exec(words) { frame, exchange in
      guard case .start(let start) = frame else { return false }
      #expect(start.command == ["sh", "-l"] && start.env?["A"] == "1" && start.workingDirectory == "/data")
      #expect(start.terminal == .init(rows: 24, columns: 80))
      try await exchange.write(ExecFrame.exit(0).encoded())
      return true
    }
    #expect(result.code == 0, "\(result.error)")
  }

  @Test(
    "a failure of the server, a break, and nonsense are errors",
    arguments: ["failure", "break", "nonsense", "client frame"])
  func failures(_ kind: String) async throws {
    let result = try await exec { frame, exchange in
      guard case .start = frame else { return false }
      switch kind {
      case "failure": try await exchange.write(ExecFrame.failure(PalanaError(.conflict, "it does not run")).encoded())
      case "nonsense": try await exchange.write([0xff, 0, 0, 0, 1, 0])
      case "client frame": try await exchange.write(ExecFrame.stdin([1]).encoded())
      default: break
      }
      return true
    }
    let codes: [String: Int32] = ["failure": 5, "break": 6, "nonsense": 2, "client frame": 1]
    #expect(result.code == codes[kind], "\(result.error)")
  }

  @Test("no such agent")
  func missing() async throws {
    let result = try await CommandRunner.run(["shell", "demo"], streaming: [Self.path]) {
      try await $0.reply(404, #"{"error":{"code":"not_found","message":"there is no agent demo","hint":""}}"#)
    }
    #expect(result.code == 3)
  }

  @Test("a full mailbox makes its senders wait, and lets them go when it ends or they are cancelled")
  func mailbox() async throws {
    let mailbox = FrameMailbox(capacity: 2)
    try await mailbox.send([1])
    try await mailbox.send([2])
    let third = Task { try await mailbox.send([3]) }
    let iterator = mailbox.makeAsyncIterator()
    #expect(await iterator.next()?.readableBytesView.first == 1)
    try await third.value
    #expect(await iterator.next()?.readableBytesView.first == 2)
    #expect(await iterator.next()?.readableBytesView.first == 3)
    try await mailbox.send([4])
    try await mailbox.send([5])
    let cancelled = Task { try await mailbox.send([6]) }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    let waiting = Task { try await mailbox.send([7]) }
    mailbox.finish()
    try await waiting.value
    #expect(await iterator.next()?.readableBytesView.first == 4)
    #expect(await iterator.next()?.readableBytesView.first == 5)
    #expect(await iterator.next() == nil)
  }
}
