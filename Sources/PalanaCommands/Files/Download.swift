import NIOPosix
import PalanaControlAPI
import PalanaCore
import Synchronization

/// Copies from an agent to this machine.
struct Download: Sendable {
  let agent: String
  let context: CommandContext

  /// Copies a file or folder.
  /// - Parameters:
  ///   - path: absolute path in the agent.
  ///   - target: local path; an existing folder receives the source under its own name.
  func file(_ path: String, to target: String) async throws {
    let isFolder = LocalFile.kind(target) == .directory
    if !isFolder, target.hasSuffix("/") { throw PalanaError(.notFound, "there is no folder \(target)") }
    let parent = isFolder ? target : PathText.parent(target)
    guard let name = isFolder ? PathText.name(path) : PathText.name(target) else {
      throw PalanaError(.invalid, "the copy has no name", hint: "name the destination in full")
    }
    let box = try ExtractorBox(into: parent, as: name)
    let (agent, context) = (agent, context)
    try await context.withClient { client in
      try await Progress.run("Copying from \(agent):\(path)", context.output) { _ in
        try await client.stream(.copyFromAgent, ["name": agent], query: [("path", path)]) { bytes in
          try await NIOThreadPool.singleton.runIfActive { try box.extractor.withLock { try $0.push(bytes) } }
          return true
        }
        try await NIOThreadPool.singleton.runIfActive { try box.extractor.withLock { try $0.finish() } }
      }
    }
    let (count, skipped) = box.extractor.withLock { ($0.skippedCount, $0.skipped) }
    if count > 0 { try await context.output.warn("\(count) left out: \(skipped.joined(separator: ", "))") }
  }

  /// Writes the tar stream to standard output.
  func stream(_ path: String) async throws {
    if context.io.outputIsTerminal {
      throw PalanaError(.invalid, "a tar stream would go to the terminal", hint: "redirect it: pcli cp … - > file.tar")
    }
    let (agent, output) = (agent, context.io.output)
    try await context.withClient { client in
      try await client.stream(.copyFromAgent, ["name": agent], query: [("path", path)]) { bytes in
        try await output.write(bytes)
        return true
      }
    }
  }

  /// Whether a path of an agent is a folder: read from the first header of its archive, then the stream is dropped.
  static func isFolder(_ path: String, _ agent: String, _ client: ControlClient) async throws -> Bool {
    var parser = TarParser()
    var answer = false
    do {
      try await client.stream(.copyFromAgent, ["name": agent], query: [("path", path)]) { bytes in
        for event in try parser.push(bytes) {
          guard case .entry(let entry) = event else { continue }
          answer = entry.kind == .directory
          return false
        }
        return true
      }
    } catch let error as PalanaError where error.code == .notFound {
      // Not there yet, or no such agent: the upload itself will say which.
      return false
    }
    return answer
  }
}

/// An extractor that is used from one thread of the pool after the other.
private final class ExtractorBox: Sendable {
  let extractor: Mutex<TarExtractor>
  init(into parent: String, as name: String) throws { extractor = Mutex(try TarExtractor(into: parent, as: name)) }
}
