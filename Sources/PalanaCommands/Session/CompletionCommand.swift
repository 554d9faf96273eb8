import ArgumentParser
import PalanaCore

/// `pcli completion SHELL`
struct CompletionCommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "completion", abstract: "Write the completion script of a shell.",
    discussion: """
      bash: pcli completion bash > /etc/bash_completion.d/pcli
      zsh:  pcli completion zsh > "${fpath[1]}/_pcli"
      fish: pcli completion fish > ~/.config/fish/completions/pcli.fish
      """)

  /// The shells.
  enum Shell: String, ExpressibleByArgument, CaseIterable, Sendable { case bash, zsh, fish }

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "bash, zsh or fish.") var shell: Shell

  func execute(in context: CommandContext) async throws -> Int32 {
    let script =
      switch shell {
      case .bash: PCLI.completionScript(for: .bash)
      case .zsh: PCLI.completionScript(for: .zsh)
      case .fish: PCLI.completionScript(for: .fish)
      }
    try await context.output.raw(script + "\n")
    return 0
  }
}
