import AsyncHTTPClient
import NIOCore
import NIOPosix
import PalanaControlAPI
import PalanaCore

/// Copies from this machine into an agent.
struct Upload: Sendable {
  let agent: String
  let context: CommandContext

  /// Copies a local file or folder.
  /// - Parameters:
  ///   - target: absolute path in the agent.
  ///   - isFolder: whether it was written with a slash at its end.
  func file(_ path: String, to target: String, isFolder: Bool) async throws {
    guard LocalFile.kind(path) != nil else { throw PalanaError(.notFound, "there is no file \(path)") }
    let ownName = PathText.name(path) ?? ""
    let (agent, context) = (agent, context)
    let skipped = try await context.withClient { client in
      var intoFolder = isFolder || target == "/"
      if !intoFolder { intoFolder = try await Download.isFolder(target, agent, client) }
      let folder = intoFolder ? target : PathText.parent(target)
      guard let name = intoFolder ? PathText.name(ownName) : PathText.name(target) else {
        throw PalanaError(.invalid, "‘\(path)’ has no name of its own", hint: "name the destination in full")
      }
      return try await Progress.run("Copying to \(agent):\(folder)", context.output) { _ in
        let pieces = TarPieces(path, as: name)
        _ = try await client.bytes(
          .copyIntoAgent, ["name": agent], query: [("path", folder)], body: .stream(.stream(pieces, length: .unknown)))
        return pieces.skipped
      }
    }
    if skipped.count > 0 {
      try await context.output.warn(
        "\(skipped.count) left out, neither files nor folders nor links: \(skipped.names.joined(separator: ", "))")
    }
  }

  /// Copies a tar stream from standard input.
  func stream(to folder: String) async throws {
    let (agent, input) = (agent, context.io.input)
    try await context.withClient { client in
      _ = try await client.bytes(
        .copyIntoAgent, ["name": agent], query: [("path", folder)],
        body: .stream(.stream(InputPieces(input: input), length: .unknown)))
    }
  }
}

/// Standard input as a request body.
private struct InputPieces: AsyncSequence, Sendable {
  let input: InputSource

  struct AsyncIterator: AsyncIteratorProtocol {
    let input: InputSource
    func next() async throws -> ByteBuffer? { try await input.next().map { ByteBuffer(bytes: $0) } }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(input: input) }
}
