import PalanaCore
import PalanaManifests

/// Writes a list of resources of one kind.
struct ResourceListing {
  let kind: KindName
  /// As the server sent it: `{"kind": …, "items": […]}`.
  let list: JSONValue

  /// A table; the list as JSON; or one YAML document per object, which `apply -f` takes.
  func write(_ context: CommandContext) async throws {
    let items = list["items"]?.array ?? []
    let output = context.output
    switch output.format {
    case .json: try await output.result(list, table: { [] })
    case .yaml: try await output.raw(try YAMLText.documents(items))
    case .table where output.quiet:
      for item in items { try await output.raw(TerminalText.safe(item["metadata"]?["name"]?.string ?? "") + "\n") }
    case .table where items.isEmpty:
      try await output.note("There is no \(kind.word) yet.")
    case .table:
      let table = try ResourceTables.table(kind, items, now: context.io.clock.now())
      try await output.result(list, table: { [table] })
    }
  }
}
