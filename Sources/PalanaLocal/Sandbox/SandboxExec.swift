import FoundationEssentials
import Glibc
package import PalanaCore
package import PalanaPlan
import Subprocess
import SystemPackage

extension SandboxRuntime {
  /// Runs a command inside the running sandbox with the same limits, user, filter and network; returns when it ended.
  ///
  /// The end of `input` is the end of the command's input. Whoever asked is gone when the task is cancelled or `output`
  /// throws: then the command is killed. A slow `output` slows the command down.
  /// - Returns: the exit code, or 128 plus the signal; 127 and 126 as in a shell when the program is missing or cannot
  ///   be run.
  /// - Throws: `conflict` when the sandbox does not run, `failed` when the command cannot be started.
  package func exec(
    in agent: AgentID, _ request: ExecRequest, input: AsyncStream<ExecInput>,
    output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws(PalanaError) -> Int32 {
    try await command(in: agent, request, input: input, output: output)
  }

  /// The same for any source of input.
  func command<Input: AsyncSequence & Sendable>(
    in agent: AgentID, _ request: ExecRequest, input: Input,
    output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws(PalanaError) -> Int32 where Input.Element == ExecInput {
    let machine = try machine()
    guard let live = table.live(agent) else {
      throw Self.notRunning(agent)
    }
    let job = try await execJob(agent, live, request, machine)
    do {
      let result = try await Subprocess.run(
        .path(FilePath(machine.shim)), arguments: ["exec"], environment: .custom([:]),
        platformOptions: Self.execOptions, input: .inputWriter, output: .sequence, error: .discarded
      ) { execution in
        try await Self.converse(execution, job: job, input: input, output: output)
      }
      return result.closureResult
    } catch let error as PalanaError {
      throw error
    } catch is CancellationError {
      throw PalanaError(.failed, "the command was given up")
    } catch {
      throw PalanaError(.failed, "the command was given up: \(error)")
    }
  }

  /// TERM makes the shim kill the command before it ends itself.
  private static var execOptions: PlatformOptions {
    var options = PlatformOptions()
    options.teardownSequence = [.send(signal: .terminate, allowedDurationToNextStep: .seconds(5))]
    return options
  }

  private static func converse<Input: AsyncSequence & Sendable>(
    _ execution: Execution<CustomWriteInput, SequenceOutput, DiscardedOutput>, job: [UInt8], input: Input,
    output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> Int32 where Input.Element == ExecInput {
    let writer = execution.standardInputWriter
    _ = try await writer.write(job)
    return try await withThrowingTaskGroup(of: Int32?.self) { group in
      group.addTask {
        var ended = false
        for try await piece in input {
          if piece == .endOfInput { ended = true }
          // The shim closes its end when the command is over; what comes after that is nobody's.
          guard (try? await writer.write(ExecFrames.frames(piece))) != nil else { return nil }
        }
        if !ended { _ = try? await writer.write(ExecFrames.frames(.endOfInput)) }
        return nil
      }
      group.addTask {
        var reader = ExecFrames.Reader()
        for try await buffer in execution.standardOutput {
          let bytes = unsafe buffer.withUnsafeBytes { unsafe Array($0) }
          for answer in try reader.take(bytes) {
            switch answer {
            case .output(let bytes): try await output(.stdout(bytes))
            case .errorOutput(let bytes): try await output(.stderr(bytes))
            case .exit(let code): return code
            case .failure(let sentence):
              guard let code = Self.shellCode(of: sentence) else {
                throw PalanaError(.failed, "the command did not start: \(sentence)")
              }
              try await output(.stderr(Array("palana: \(sentence)\n".utf8)))
              return code
            }
          }
        }
        throw PalanaError(.failed, "the command's keeper ended without a word")
      }
      defer { group.cancelAll() }
      while let code = try await group.next() {
        if let code { return code }
      }
      throw PalanaError(.failed, "the command's keeper ended without a word")
    }
  }

  /// What a shell would return for a program that is missing or cannot be run; nil: it is something else.
  private static func shellCode(of sentence: String) -> Int32? {
    if sentence.contains("not found in $PATH") || sentence.contains("No such file") { return 127 }
    return sentence.contains("Permission denied") || sentence.contains("Exec format") ? 126 : nil
  }

  private static func notRunning(_ agent: AgentID) -> PalanaError {
    PalanaError(.conflict, "\(agent) does not run", hint: "start it first")
  }

  // MARK: - What is run

  private func execJob(
    _ agent: AgentID, _ live: SandboxTable.Live, _ request: ExecRequest, _ machine: Machine
  ) async throws(PalanaError) -> [UInt8] {
    let bundle = paths.bundle
    // The sandbox's own specification, from its shim's mount namespace: the only place where the proxy token stands.
    let bytes = try await SystemCall.blocking { () throws(PalanaError) in
      Files.read("/proc/\(live.shim.pid)/root\(bundle)/config.json")
    }
    guard let bytes, live.shim.signal(0), let spec = try? JSONDecoder().decode(OCISpec.self, from: Data(bytes)) else {
      throw Self.notRunning(agent)
    }
    let process = try spec.process.command(request)
    guard let json = try? JSONEncoder().encode(process) else {
      throw PalanaError(.failed, "the command cannot be described")
    }
    var job = ShimJob()
    job.set("id", agent.text)
    job.set("crun", machine.crun)
    job.set("crun.root", paths.crunRoot)
    job.set("folder", paths.exec)
    job.set("process", Array(json))
    if let size = request.terminal {
      job.set("rows", UInt16(clamping: size.rows))
      job.set("columns", UInt16(clamping: size.columns))
    }
    return ExecFrames.frame("J", job.bytes)
  }
}
