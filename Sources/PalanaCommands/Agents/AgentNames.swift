import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// Completes the names of agents by asking the platform.
enum AgentNames {
  /// For arguments that name an agent. Silent when the platform does not answer.
  static let completion = CompletionKind.custom { arguments, _, _ in await names(arguments) }

  private static func names(_ arguments: [String]) async -> [String] {
    var io = CommandIO.system()
    if let index = arguments.firstIndex(of: "--home"), index + 1 < arguments.count {
      io.environment["PALANA_HOME"] = arguments[index + 1]
    }
    guard let global = try? GlobalOptions.parse([]) else { return [] }
    let context = CommandContext(global: global, io: io)
    let list = try? await context.withClient { client in try await client.json(.listAgents) }
    return (list?["items"]?.array ?? []).compactMap { $0["metadata"]?["name"]?.string }
  }
}
