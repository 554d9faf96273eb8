import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli down`
struct DownCommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "down", abstract: "Stop the platform on this machine.",
    discussion: """
      Stops the agents' processes and the daemon. Agents that were to run come back at the next ‘pcli up’. With --keep-agents their \
      sandboxes go on, without a way out.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Flag(help: "Leave the sandboxes running.") var keepAgents = false

  func execute(in context: CommandContext) async throws -> Int32 {
    let probe = PlatformProbe(context: context)
    let request = ShutdownRequest(stopAgents: !keepAgents)
    do {
      _ = try await context.withClient { client in
        try await client.call(.shutdown, body: try .json(encoding: request), as: ShutdownResult.self)
      }
    } catch let error as PalanaError
      where error.code == .unreachable && context.global.server == nil && probe.isLocked() != true
    {
      try await context.output.done("The platform is not running.", ShutdownResult(accepted: false))
      return 0
    }
    try await Progress.run("Stopping the platform", context.output) { _ in
      try await Waiting.until("the platform has stopped", within: .seconds(120)) {
        // The lock is held to the very end of the process, the socket is not.
        if let locked = probe.isLocked(), context.global.server == nil { return !locked }
        return try await probe.status() == nil
      }
    }
    try await context.output.done("The platform is down.", ShutdownResult(accepted: true))
    return 0
  }
}
