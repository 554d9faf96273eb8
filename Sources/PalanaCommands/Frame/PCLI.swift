import ArgumentParser
import PalanaCore

/// The root of the command tree.
struct PCLI: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pcli", abstract: "Run autonomous agents safely.",
    discussion: """
      First steps: pcli up; pcli create demo --template python; pcli run demo; pcli shell demo.
      Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 denied, 5 conflict, 6 unreachable; ‘run --wait’ and ‘exec’ hand on \
      the process's own.
      """,
    version: PalanaVersion.current,
    groupedSubcommands: [
      CommandGroup(
        name: "Agents",
        subcommands: [
          AgentCreate.self, AgentRun.self, AgentList.self, ResourceDescribe.self, AgentStop.self, AgentResume.self,
          AgentRestart.self, ResourceDelete.self,
        ]),
      CommandGroup(
        name: "Inside an agent",
        subcommands: [AgentLogs.self, AgentExec.self, AgentShell.self, AgentCopy.self, AgentOpen.self]),
      CommandGroup(
        name: "Safety",
        subcommands: [
          SecretGroup.self, EgressGroup.self, PeerGroup.self, KillCommand.self, UnkillCommand.self, AuditGroup.self,
        ]),
      CommandGroup(name: "Language models", subcommands: [LLMGroup.self]),
      CommandGroup(name: "Resources", subcommands: [ResourceApply.self, ResourceGet.self, TemplateGroup.self]),
      CommandGroup(
        name: "Platform",
        subcommands: [UpCommand.self, DownCommand.self, StatusCommand.self, DoctorCommand.self]),
      CommandGroup(
        name: "Session",
        subcommands: [LoginCommand.self, LogoutCommand.self, WhoAmICommand.self, KubeconfigCommand.self, CompletionCommand.self]),
    ])

  @OptionGroup(title: "Global options (before or after the command)") var global: GlobalOptions
}
