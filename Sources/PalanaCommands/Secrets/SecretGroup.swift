import ArgumentParser

/// `pcli secrets …`
struct SecretGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "secrets", abstract: "Credentials of agents.",
    discussion: """
      A proxy-only secret (the default) never enters the sandbox: the agent sees a placeholder, and the gateway puts the value into \
      requests to the hosts that the secret is bound to. An agent-readable one is a file under /run/secrets.
      """,
    subcommands: [SecretAdd.self, SecretListing.self, SecretRotate.self, SecretBind.self, SecretRemove.self],
    aliases: ["secret"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
}
