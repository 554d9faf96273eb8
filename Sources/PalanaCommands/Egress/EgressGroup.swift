import ArgumentParser

/// `pcli egress …`
struct EgressGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "egress", abstract: "What agents may reach outside.",
    discussion: """
      Nothing is allowed unless a rule says so, and a deny wins over every allow. A host is an exact name, *.example.com (exactly \
      one label) or **.example.com (one or more).
      """,
    subcommands: [EgressAllow.self, EgressDeny.self, EgressRuleListing.self, EgressRemove.self, EgressTest.self])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
}
