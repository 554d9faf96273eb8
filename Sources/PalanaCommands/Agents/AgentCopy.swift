import ArgumentParser
import NIOCore
import NIOPosix
import PalanaControlAPI
import PalanaCore

/// `pcli cp SRC DST`
struct AgentCopy: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "cp", abstract: "Copy files between this machine and an agent.",
    discussion: """
      One side is AGENT:PATH. A destination that is a folder, or ends in a slash, receives the source under its own name; any \
      other destination is the new name. ‘-’ reads or writes a tar stream.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "A local path, or AGENT:PATH.", completion: .file()) var source: String
  @Argument(help: "A local path, or AGENT:PATH.", completion: .file()) var destination: String

  func execute(in context: CommandContext) async throws -> Int32 {
    switch (try CopyPlace(source), try CopyPlace(destination)) {
    case (.local(let path), .agent(let name, let target, let isFolder)):
      try await Upload(agent: name, context: context).file(path, to: target, isFolder: isFolder)
    case (.standard, .agent(let name, let target, _)):
      try await Upload(agent: name, context: context).stream(to: target)
    case (.agent(let name, let path, _), .local(let target)):
      try await Download(agent: name, context: context).file(path, to: target)
    case (.agent(let name, let path, _), .standard):
      try await Download(agent: name, context: context).stream(path)
    default:
      throw PalanaError(
        .invalid, "one side of a copy is in an agent, the other is not",
        hint: "for example: pcli cp notes.txt demo:/data/, or pcli cp demo:/data/notes.txt .")
    }
    return 0
  }
}
