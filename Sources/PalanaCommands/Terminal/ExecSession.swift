import AsyncHTTPClient
import PalanaControlAPI
import PalanaCore
import UnixSignals

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One command in a sandbox, with this process's input, output and signals.
struct ExecSession: Sendable {
  let client: ControlClient
  let io: CommandIO
  /// Name of the agent.
  let agent: String
  let start: ExecStart

  /// Runs the command to its end.
  /// - Returns: its exit code, or 128 plus the signal.
  /// - Throws: ``PalanaError`` when it could not be run or the connection broke.
  func run() async throws -> Int32 {
    guard start.terminal != nil, io.inputIsTerminal else { return try await exchange() }
    return try await TerminalMode.raw(io.input.rawDescriptor) { try await exchange() }
  }

  private func exchange() async throws -> Int32 {
    let mailbox = FrameMailbox()
    try await mailbox.send(ExecFrame.start(start).encoded())
    // Caught before the first byte is sent, so that a signal cannot fall between.
    let signals = await UnixSignalsSequence(
      trapping: start.terminal == nil ? [.sigint, .sigterm, .sighup, .sigquit] : [.sigwinch, .sigterm, .sighup])
    return try await withThrowingTaskGroup(of: Int32?.self) { group in
      group.addTask {
        defer { mailbox.finish() }
        return try await receive(from: mailbox)
      }
      group.addTask { try await sendInput(to: mailbox) }
      group.addTask { try await forward(signals, to: mailbox) }
      defer { group.cancelAll() }
      // Only the receiving side says when it is over; the others may end before.
      while let ended = try await group.next() { if let code = ended { return code } }
      throw PalanaError(.unreachable, "the connection to the command broke", hint: "see pcli status")
    }
  }

  private func receive(from mailbox: FrameMailbox) async throws -> Int32? {
    var decoder = ExecFrameDecoder()
    var code: Int32?
    try await client.stream(
      .execInAgent, ["name": agent], body: .stream(.stream(mailbox, length: .unknown))
    ) { bytes in
      decoder.push(bytes)
      while let frame = try decoder.next() {
        switch frame {
        case .stdout(let bytes): try await io.output.write(bytes)
        case .stderr(let bytes): try await io.error.write(bytes)
        case .exit(let value):
          code = value
          return false
        case .failure(let error): throw error
        case .start, .stdin, .endOfInput, .resize, .signal:
          throw PalanaError(.failed, "the server sent a frame that only a client sends")
        }
      }
      return true
    }
    guard let code else {
      throw PalanaError(.unreachable, "the connection to the command broke", hint: "see pcli status")
    }
    return code
  }

  private func sendInput(to mailbox: FrameMailbox) async throws -> Int32? {
    while let bytes = try await io.input.next() {
      for chunk in ExecFrame.chunks(bytes) { try await mailbox.send(ExecFrame.stdin(chunk).encoded()) }
    }
    try await mailbox.send(ExecFrame.endOfInput.encoded())
    return nil
  }

  /// Without a terminal every signal goes to the command; the third one gives up waiting for it. With a terminal the keys reach the command
  /// by themselves, and a signal is meant for this process.
  private func forward(_ signals: UnixSignalsSequence, to mailbox: FrameMailbox) async throws -> Int32? {
    var count = 0
    for await signal in signals {
      if signal == .sigwinch {
        if let size = TerminalMode.size(io.input.rawDescriptor) {
          try await mailbox.send(ExecFrame.resize(.init(rows: size.rows, columns: size.columns)).encoded())
        }
        continue
      }
      count += 1
      guard start.terminal == nil, count < 3 else { throw Interrupted(signal: signal.rawValue) }
      try await mailbox.send(ExecFrame.signal(UInt8(clamping: signal.rawValue)).encoded())
    }
    return nil
  }
}
