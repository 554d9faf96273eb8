import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli login`
struct LoginCommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "login", abstract: "Say who you are to the platform.",
    discussion: """
      On one machine no login is needed: the platform knows local users by the kernel's word. With --server the token is tried.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    let (who, isLocal) = try await context.withClient { client in
      let who: WhoAmI = try await client.call(.whoAmI)
      if case .socket = client.endpoint.address { return (who, true) }
      return (who, false)
    }
    let role = who.operator ? ", an operator" : ""
    try await context.output.done(
      isLocal
        ? "No login is needed on this machine: you are \(who.user)\(role)."
        : "The token is valid: you are \(who.user)\(role). It is not stored; give it again with each command.", who)
    return 0
  }
}
