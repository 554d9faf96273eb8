package import PalanaCore
import PalanaPlan

extension SandboxRuntime {
  /// Writes a tar stream below `directory` (absolute, inside the sandbox), as the agent's user.
  ///
  /// `tar` runs inside the sandbox, never on the machine: a link that a hostile agent has planted leads to where the
  /// agent could write itself, and nowhere else.
  /// - Throws: `conflict` when the sandbox does not run, `invalid` for a relative folder, `failed` with what `tar` said.
  package func copyIn(
    to agent: AgentID, directory: String, tar: AsyncThrowingStream<[UInt8], any Error>
  ) async throws(PalanaError) {
    let directory = try Self.absolute(directory)
    let program = try await tarProgram(in: agent)
    let complaints = Complaints()
    let code = try await command(
      in: agent, ExecRequest(command: program + ["-x", "-o", "-f", "-", "-C", directory], workingDirectory: "/"),
      input: tar.map { ExecInput.bytes($0) }
    ) { await complaints.take($0) }
    guard code == 0 else {
      throw PalanaError(
        .failed, "copying to \(directory) failed: \(await complaints.text(or: "tar ended with \(code)"))")
    }
  }

  /// Reads `path` (absolute, inside the sandbox) as a tar stream, with `tar` inside the sandbox. Links are in it as
  /// links.
  /// - Throws: `conflict` when the sandbox does not run, `notFound` for what is not there, `invalid` for a path that is
  ///   not one; the stream throws `failed` with what `tar` said.
  package func copyOut(
    from agent: AgentID, path: String
  ) async throws(PalanaError) -> AsyncThrowingStream<[UInt8], any Error> {
    let path = try Self.absolute(path)
    guard let slash = path.lastIndex(of: "/"), path.index(after: slash) != path.endIndex else {
      throw PalanaError(.invalid, "the whole root cannot be copied", hint: "name a folder or a file")
    }
    let folder = slash == path.startIndex ? "/" : String(path[..<slash])
    let name = String(path[path.index(after: slash)...])
    // A stream that has begun can only break off; so what is not there is said before.
    let looks = try await status(of: [OCIRenderer.toolboxPath, "test", "-e", path, "-o", "-L", path], in: agent)
    if looks == 1 { throw PalanaError(.notFound, "there is no \(path) in the sandbox") }
    let request = ExecRequest(
      command: try await tarProgram(in: agent) + ["-c", "-f", "-", "-C", folder, "--", name], workingDirectory: "/")
    let (noInput, end) = AsyncStream.makeStream(of: ExecInput.self)
    end.finish()
    let pieces = HandOver<[UInt8]>()
    let complaints = Complaints()
    // Lives as long as the stream: whoever drops the stream ends the command.
    let task = Task {
      do throws(PalanaError) {
        let code = try await self.exec(in: agent, request, input: noInput) { output in
          await complaints.take(output)
          if case .stdout(let bytes) = output, await !pieces.give(bytes) { throw CancellationError() }
        }
        guard code == 0 else {
          throw PalanaError(.failed, "copying \(path) failed: \(await complaints.text(or: "tar ended with \(code)"))")
        }
        pieces.finish()
      } catch {
        pieces.finish(.failure(error))
      }
    }
    let owner = TaskOwner {
      task.cancel()
      pieces.finish()
    }
    return AsyncThrowingStream {
      _ = owner
      return try await pieces.take()
    }
  }

  /// The image's own tar, else the machine's static busybox, which every sandbox sees.
  private func tarProgram(in agent: AgentID) async throws(PalanaError) -> [String] {
    for program in [["tar"], [OCIRenderer.toolboxPath, "tar"]] {
      let code = try await status(of: program + ["--help"], in: agent)
      if code != 127, code != 126 { return program }
    }
    throw PalanaError(
      .failed, "there is no ‘tar’ in the sandbox",
      hint: "add it to the image, or install busybox-static on this machine")
  }

  /// The exit code of a command without input whose output nobody wants.
  private func status(of command: [String], in agent: AgentID) async throws(PalanaError) -> Int32 {
    let (noInput, end) = AsyncStream.makeStream(of: ExecInput.self)
    end.finish()
    return try await exec(in: agent, ExecRequest(command: command, workingDirectory: "/"), input: noInput) { _ in }
  }

  /// Without a slash at the end and without `.` and `..`, which would not mean what they seem to once links are
  /// followed.
  private static func absolute(_ path: String) throws(PalanaError) -> String {
    let parts = path.split(separator: "/", omittingEmptySubsequences: true)
    guard path.hasPrefix("/"), !path.utf8.contains(0), !parts.contains(where: { $0 == "." || $0 == ".." }) else {
      throw PalanaError(.invalid, "‘\(path.prefix(200))’ is not an absolute path without dots")
    }
    return "/" + parts.joined(separator: "/")
  }
}

/// The first lines of what a program says on its error output.
private actor Complaints {
  private var bytes: [UInt8] = []

  func take(_ output: ExecOutput) {
    guard case .stderr(let more) = output, bytes.count < 2000 else { return }
    bytes += more
  }

  func text(or otherwise: String) -> String {
    let text = String(decoding: bytes.prefix(2000), as: UTF8.self).split(separator: "\n").joined(separator: "; ")
    return text.isEmpty ? otherwise : text
  }
}
