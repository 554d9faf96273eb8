import NIOCore
package import PalanaCore
import PalanaKube
import PalanaPlan

extension ClusterEngine {
  /// `tar` of the image unpacks it, as the agent's user: a link that a hostile agent has planted leads to where the agent could write
  /// itself, and nowhere else.
  package func copyIn(
    to agent: AgentID, directory: String, tar: AsyncThrowingStream<[UInt8], any Error>
  ) async throws(PalanaError) {
    try await unpack(in: try await requireRunning(agent), directory: directory, tar: tar)
  }

  func unpack(
    in namespace: String, directory: String, tar: AsyncThrowingStream<[UInt8], any Error>
  ) async throws(PalanaError) {
    try await requireTar(in: namespace)
    let complaints = Complaints()
    let wanted = PalanaKube.ExecRequest(
      ["tar", "-x", "-o", "-f", "-", "-C", directory], container: Self.container, hasInput: true)
    let code = try await run(wanted, in: namespace, { await complaints.take($0) }) { writer in
      for try await piece in tar {
        guard (try? await writer.write(ByteBuffer(bytes: piece))) != nil else { return nil }
      }
      // Of a stream that broke off `tar` must not see an end.
      try Task.checkCancellation()
      try? await writer.finish()
      return nil
    }
    guard code == 0 else {
      throw PalanaError(.failed, "copying to \(directory) failed: \(await complaints.text(or: "tar ended with \(code)"))")
    }
  }

  package func copyOut(
    from agent: AgentID, path: String
  ) async throws(PalanaError) -> AsyncThrowingStream<[UInt8], any Error> {
    try await pack(in: try await requireRunning(agent), path: path)
  }

  func pack(in namespace: String, path: String) async throws(PalanaError) -> AsyncThrowingStream<[UInt8], any Error> {
    let parts = path.split(separator: "/")
    guard let name = parts.last else {
      throw PalanaError(.invalid, "the whole root cannot be copied", hint: "name a folder or a file")
    }
    let folder = "/" + parts.dropLast().joined(separator: "/")
    try await requireTar(in: namespace)
    // A stream that has begun can only break off; so what is not there is said before.
    if try await status(of: ["test", "-e", path, "-o", "-L", path], in: namespace) == 1 {
      throw PalanaError(.notFound, "there is no \(path) in the agent")
    }
    let wanted = PalanaKube.ExecRequest(["tar", "-c", "-f", "-", "-C", folder, "--", String(name)], container: Self.container)
    let pieces = HandOver<[UInt8]>()
    let complaints = Complaints()
    let task = Task {
      do throws(PalanaError) {
        let code = try await run(
          wanted, in: namespace,
          { output in
            await complaints.take(output)
            if case .stdout(let bytes) = output, await !pieces.give(bytes) { throw CancellationError() }
          }
        ) { _ in nil }
        guard code == 0 else {
          throw PalanaError(.failed, "copying \(path) failed: \(await complaints.text(or: "tar ended with \(code)"))")
        }
        pieces.finish()
      } catch {
        pieces.finish(.failure(error))
      }
    }
    // The work lives as long as the stream: whoever drops that ends it.
    let owner = TaskOwner {
      task.cancel()
      pieces.finish()
    }
    return AsyncThrowingStream {
      _ = owner
      return try await pieces.take()
    }
  }

  private func requireTar(in namespace: String) async throws(PalanaError) {
    let code = try await status(of: ["tar", "--help"], in: namespace)
    guard code == 126 || code == 127 else { return }
    throw PalanaError(.failed, "the agent's image has no ‘tar’, with which files are copied", hint: "add tar (or busybox) to the image")
  }

  /// The exit code of a program without input whose output nobody wants; 127 when it is not there.
  private func status(of command: [String], in namespace: String) async throws(PalanaError) -> Int32 {
    do throws(PalanaError) {
      return try await run(PalanaKube.ExecRequest(command, container: Self.container), in: namespace, { _ in }) { _ in nil }
    } catch {
      guard error.code == .notFound else { throw error }
      return 127
    }
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
