import Hummingbird
import NIOCore
import PalanaAPI
import PalanaControlAPI
import PalanaCore
import PalanaPlan
import Synchronization

/// One command in a sandbox over one request: frames in the body, frames in the answer, both at once.
enum ExecSession {
  static func response(
    to request: Request, agent: Agent, _ agents: AgentService, _ caller: Caller
  ) -> Response {
    StreamingAnswer.response(to: request, mediaType: "application/x-palana-exec") { body, emit in
      let frames = BodyReader(body).frames
      let last: ExecFrame
      do {
        guard case .start(let start) = try await frames.first(where: { _ in true }) else {
          throw PalanaError(.invalid, "the first frame must say what to run")
        }
        last = .exit(try await run(start, agent, frames, agents, caller, emit))
      } catch let error as PalanaError {
        last = .failure(error)
      } catch {
        last = .failure(PalanaError(.failed, "the command was cut off"))
      }
      if let bytes = try? last.encoded() { try? await emit(bytes) }
      // The client closes when it has read the last frame, which ends this wait. Were the server first, the end of the connection could
      // overtake the frame on the client's side: its own body is still open, and HTTP clients then report a broken connection.
      try? await Task.sleep(for: .seconds(1))
    }
  }

  private static func run(
    _ start: ExecStart, _ agent: Agent, _ frames: AsyncThrowingStream<ExecFrame, any Error>, _ agents: AgentService,
    _ caller: Caller,
    _ emit: @escaping StreamingAnswer.Emit
  ) async throws -> Int32 {
    let request = ExecRequest(
      command: start.command,
      terminal: start.terminal.map { .init(rows: Int($0.rows), columns: Int($0.columns)) }, env: start.env ?? [:],
      workingDirectory: start.workingDirectory)
    // The command is stopped when what the client sends is not understood, not left running with half of its input.
    let broken = BrokenInput()
    return try await withThrowingTaskGroup(of: Int32?.self) { group in
      group.addTask {
        let input = AsyncStream<ExecInput> {
          do { return try await frames.first { _ in true }.map(ExecFrames.input) } catch {
            // When the command is over nobody reads its input any more: that is an end, not a fault of the client.
            if !Task.isCancelled, !(error is CancellationError) { broken.set(error) }
            return nil
          }
        }
        let code = try await agents.exec(in: agent, request, by: caller, input: input) { output in
          let (pieces, frame): ([[UInt8]], ([UInt8]) -> ExecFrame) =
            switch output {
            case .stdout(let bytes): (ExecFrame.chunks(bytes), ExecFrame.stdout)
            case .stderr(let bytes): (ExecFrame.chunks(bytes), ExecFrame.stderr)
            }
          for piece in pieces { try await emit(frame(piece).encoded()) }
        }
        // The end of a broken input is no end that the client meant.
        try broken.check()
        return code
      }
      group.addTask {
        try await broken.wait()
        return nil
      }
      defer { group.cancelAll() }
      while let code = try await group.next() {
        if let code { return code }
      }
      throw PalanaError(.failed, "the command did not end")
    }
  }
}

/// Frames as the input of a command.
enum ExecFrames {
  /// What a frame of a client means for a command that runs.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` for a frame that only a server sends, or a second start.
  static func input(_ frame: ExecFrame) throws(PalanaError) -> ExecInput {
    switch frame {
    case .stdin(let bytes): return .bytes(bytes)
    case .endOfInput: return .endOfInput
    case .resize(let size): return .resize(.init(rows: Int(size.rows), columns: Int(size.columns)))
    case .signal(let number): return .signal(Int32(number))
    case .start, .stdout, .stderr, .exit, .failure:
      throw PalanaError(.invalid, "a client does not send frames of this type here")
    }
  }
}

/// Carries the first error of the input to whoever waits for it.
final class BrokenInput: Sendable {
  private let error = Mutex<(any Error)?>(nil)
  private let stream: AsyncThrowingStream<Never, any Error>
  private let continuation: AsyncThrowingStream<Never, any Error>.Continuation

  init() { (stream, continuation) = AsyncThrowingStream.makeStream() }

  func set(_ new: any Error) {
    error.withLock { $0 = $0 ?? new }
    continuation.finish(throwing: new)
  }

  /// Throws the error if there is one.
  func check() throws { if let error = error.withLock({ $0 }) { throw error } }

  /// Throws the error when it comes; returns when the task is cancelled.
  func wait() async throws { for try await _ in stream {} }
}
