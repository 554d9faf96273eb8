import NIOCore
package import PalanaCore
import PalanaKube
package import PalanaPlan

extension ClusterEngine {
  /// Kubernetes sends no signals. With a terminal, those that its keys stand for are sent as these keys; any other one closes the
  /// connection, which ends what has a terminal or reads its input, and the answer is 128 plus its number.
  package func exec(
    in agent: AgentID, _ request: PalanaPlan.ExecRequest, input: AsyncStream<ExecInput>,
    output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws(PalanaError) -> Int32 {
    try await exec(request, in: try await requireRunning(agent), input: input, output: output)
  }

  func exec(
    _ request: PalanaPlan.ExecRequest, in namespace: String, input: AsyncStream<ExecInput>,
    output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws(PalanaError) -> Int32 {
    let hasTerminal = request.terminal != nil
    let wanted = PalanaKube.ExecRequest(
      try Self.command(request), container: Self.container, hasInput: true, hasTerminal: hasTerminal)
    return try await run(wanted, in: namespace, output) { writer in
      if let size = request.terminal { try? await writer.resize(columns: size.columns, rows: size.rows) }
      for await item in input {
        // That the program is over says whoever reads its output.
        switch item {
        case .bytes(let bytes): guard (try? await writer.write(ByteBuffer(bytes: bytes))) != nil else { return nil }
        case .endOfInput: try? await writer.finish()
        case .resize(let size): try? await writer.resize(columns: size.columns, rows: size.rows)
        case .signal(let number):
          guard hasTerminal, let key = Self.keys[number] else { return number }
          try? await writer.write(ByteBuffer(bytes: [key]))
        }
      }
      return nil
    }
  }

  /// What a terminal makes of these keys (termios(3)): SIGINT, SIGQUIT, SIGTSTP.
  private static let keys: [Int32: UInt8] = [2: 0x03, 3: 0x1c, 20: 0x1a]

  /// Runs a program in the agent's container.
  ///
  /// - Parameter feed: writes its input; returns the number of a signal that the program is to be ended with, else nil.
  func run(
    _ wanted: PalanaKube.ExecRequest, in namespace: String, _ output: @escaping @Sendable (ExecOutput) async throws -> Void,
    feed: @escaping @Sendable (ExecSession.Input) async throws -> Int32?
  ) async throws(PalanaError) -> Int32 {
    do {
      let (client, pod) = (client, Self.pod)
      let (writers, opened) = AsyncStream.makeStream(of: ExecSession.Input.self)
      return try await withThrowingTaskGroup(of: Ended.self) { group in
        group.addTask {
          try await client.exec(pod, in: namespace, wanted) { session in
            opened.yield(session.input)
            opened.finish()
            while let piece = try await session.next() {
              switch piece {
              case .standardOutput(let bytes): try await output(.stdout(Array(bytes.readableBytesView)))
              case .standardError(let bytes): try await output(.stderr(Array(bytes.readableBytesView)))
              }
            }
            return .program(session.exit ?? .failed("the program did not end"))
          }
        }
        group.addTask {
          for await writer in writers { return try await feed(writer).map(Ended.signal) ?? .input }
          return .input
        }
        defer { group.cancelAll() }
        while let ended = try await group.next() {
          switch ended {
          case .program(let exit): return try Self.code(of: exit, wanted)
          case .signal(let number): return 128 + number
          case .input: continue
          }
        }
        throw PalanaError(.failed, "the command did not end")
      }
    } catch let error as KubeError {
      throw error.kind == .notFound ? PalanaError(.conflict, "the agent does not run") : error.told("the pod \(namespace)/\(Self.pod)")
    } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.failed, "the command was cut off")
    }
  }

  private enum Ended: Sendable {
    case program(ExecSession.Exit)
    case signal(Int32)
    /// There is no more input; the program may go on.
    case input
  }

  static func code(of exit: ExecSession.Exit, _ wanted: PalanaKube.ExecRequest) throws(PalanaError) -> Int32 {
    switch exit {
    case .code(let code): return Int32(clamping: code)
    case .failed(let message):
      // The container runtime's words for a program that is not in the image.
      let words = message.lowercased()
      guard words.contains("executable file not found") || words.contains("no such file or directory") else {
        throw PalanaError(.failed, message)
      }
      throw PalanaError(.notFound, "there is no program ‘\(wanted.command.first?.prefix(100) ?? "")’ in the agent")
    }
  }

  /// What is run: Kubernetes knows neither variables nor a folder for a command, so programs of the image set them.
  static func command(_ request: PalanaPlan.ExecRequest) throws(PalanaError) -> [String] {
    var command =
      request.command.isEmpty ? ["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh"] : request.command
    if !request.env.isEmpty {
      for name in request.env.keys where !isName(name) {
        throw PalanaError(.invalid, "‘\(name.prefix(60))’ is not the name of a variable")
      }
      command = ["env"] + request.env.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" } + command
    }
    if let folder = request.workingDirectory {
      command = ["sh", "-c", "cd -- \"$1\" && shift && exec \"$@\"", "sh", folder] + command
    }
    return command
  }

  /// Neither an option of `env` nor anything else but a name.
  private static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, !(48...57).contains(first) else { return false }
    return text.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95 }
  }
}
