import ArgumentParser

/// The options that every command takes, before or after its name.
///
/// The root command and each subcommand declare this group; the argument parser reads it once and shares the value, which
/// is why `pcli -o json list` and `pcli list -o json` mean the same.
struct GlobalOptions: ParsableArguments {
  @Option(
    name: [.customShort("o", allowingJoined: true), .customLong("output")],
    help: ArgumentHelp("How to write the result: table, json or yaml.", valueName: "format"))
  var output: OutputFormat = .table

  @Option(help: ArgumentHelp("Talk to this control API instead of the local socket (otherwise PALANA_URL).", valueName: "url"))
  var server: String?

  @Option(
    help: ArgumentHelp("Read the bearer token from this file (otherwise PALANA_TOKEN).", valueName: "file"),
    completion: .file())
  var tokenFile: String?

  @Option(
    help: ArgumentHelp(
      "Accept only servers whose certificate an authority in this PEM file has issued (otherwise PALANA_CA_FILE).",
      valueName: "file"),
    completion: .file())
  var caFile: String?

  @Option(help: ArgumentHelp("Act as this user (operators only; audited).", valueName: "identity"))
  var user: String?

  @Option(
    help: ArgumentHelp("The installation's folder (otherwise PALANA_HOME, else /var/lib/palana).", valueName: "dir"),
    completion: .directory)
  var home: String?

  @Flag(help: "Write no colours.")
  var noColor = false

  @Flag(name: [.customShort("q"), .long], help: "Write results and errors only, no remarks or progress.")
  var quiet = false
}
