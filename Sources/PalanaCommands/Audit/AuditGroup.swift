import ArgumentParser

/// `pcli audit …`
struct AuditGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "What agents did and what was decided about it.",
    discussion: """
      With -o json each event is one line, exactly as it is stored; an export (‘pcli audit --all -o json > FILE’) can be checked \
      with ‘pcli audit verify --file FILE’, also on another machine.
      """,
    subcommands: [AuditShow.self, AuditVerify.self], defaultSubcommand: AuditShow.self)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
}
