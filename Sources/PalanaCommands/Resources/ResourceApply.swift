import ArgumentParser
import PalanaControlAPI
import PalanaCore
import PalanaManifests

/// `pcli apply -f FILE`
struct ResourceApply: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply", abstract: "Create or change resources from manifests.",
    discussion: """
      YAML or JSON; several documents in one file; a folder with .yaml, .yml and .json files; or - for standard input. Everything is \
      read and checked before anything is changed.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Option(
    name: [.customShort("f"), .customLong("filename")], parsing: .singleValue,
    help: ArgumentHelp("A file, a folder, or -. Repeatable.", valueName: "file"), completion: .file())
  var files: [String]
  @Flag(help: "Read and check only.") var dryRun = false

  func execute(in context: CommandContext) async throws -> Int32 {
    var sets: [ManifestSet] = []
    for file in files { sets.append(try await ManifestSet.read(file, context.io)) }
    let items = try ManifestSet(sets.flatMap { $0.items.map(\.document) }).items
    if dryRun {
      for item in items { try await context.output.note("\(item.kind.word)/\(item.name) is sound") }
      return 0
    }
    let results = try await context.withClient { client in
      var results: [JSONValue] = []
      for item in items {
        do {
          let result = try await client.json(.apply, body: .json(Array(JSONText.compact(item.value).utf8)))
          results.append(result)
          if context.output.format == .table, !context.output.quiet {
            let action = TerminalText.safe(result["action"]?.string ?? "applied")
            try await context.output.raw("\(item.kind.word)/\(item.name) \(action)\n")
          }
        } catch let error as PalanaError {
          var located = item.document.located(error)
          if results.count > 0, located.hint.isEmpty { located.hint = "\(results.count) applied before it" }
          throw located
        }
      }
      return results
    }
    guard context.output.format != .table else { return 0 }
    try await context.output.result(["items": .array(results)] as JSONValue, table: { [] })
    return 0
  }
}
