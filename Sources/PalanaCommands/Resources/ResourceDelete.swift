import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli delete NAME [--purge]`
struct ResourceDelete: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete an agent or another resource.",
    discussion: """
      One word names an agent: ‘pcli delete demo’. Other kinds: ‘pcli delete template mine’, ‘pcli delete template/mine’.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(
    help: ArgumentHelp("An agent's name, or KIND NAME.", valueName: "name"), completion: AgentNames.completion)
  var names: [String]
  @Flag(help: "Also remove what the agent stored: its data, secrets and logs.") var purge = false
  @Flag(help: "Return at once instead of waiting until it is gone.") var detach = false

  func execute(in context: CommandContext) async throws -> Int32 {
    let reference = try ResourceReference(names)
    let operation = try reference.kind.delete()
    if purge, reference.kind != .agent {
      throw PalanaError(.invalid, "--purge is for agents", hint: "leave it out")
    }
    let label = "\(reference.kind.word)/\(reference.name)"
    let detach = detach
    let purge = purge
    let result = try await context.withClient { client in
      try await Progress.run("Deleting \(label)", context.output) { _ in
        var result: DeleteResult = try await client.call(
          operation, ["name": reference.name], query: purge ? [("purge", "true")] : [])
        guard !result.done, !detach else { return result }
        try await Waiting.until("\(label) is gone") {
          do {
            _ = try await client.bytes(reference.kind.get, ["name": reference.name])
            return false
          } catch let error as PalanaError where error.code == .notFound {
            return true
          }
        }
        result.done = true
        return result
      }
    }
    try await context.output.done("\(label) \(result.done ? "deleted" : "is being deleted")", result)
    if reference.kind == .agent, !purge {
      try await context.output.note(
        "Its data and secrets are kept for an agent of the same name; --purge removes them too.")
    }
    return 0
  }
}
