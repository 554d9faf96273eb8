import ArgumentParser
import Logging
import PalanaCore

/// `palanad gateway`: the gateway alone.
struct GatewayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateway", abstract: "Runs the egress gateway alone, for agents that something else starts.",
    subcommands: [GatewayRunCommand.self, GatewayEnvCommand.self, GatewayCACommand.self, GatewayAuditCommand.self],
    defaultSubcommand: GatewayRunCommand.self)
}

extension LocalConfiguration.DataPlane: ExpressibleByArgument {}

/// What the subcommands of `palanad gateway` have in common.
struct GatewayOptions: ParsableArguments {
  @Option(help: "Where the gateway keeps its audit trail (default: /var/lib/palana).")
  var home: String?

  @Option(help: "The configuration file (default: HOME/config.yaml, if there is one).")
  var config: String?

  @Option(help: "trace, debug, info, notice, warning or error.")
  var logLevel: String = "info"

  func logger() -> Logger {
    var logger = Logger(label: "palanad")
    logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
    return logger
  }

  func load(_ more: [String: String] = [:]) throws(PalanaError) -> LocalConfiguration {
    var environment = EnvironmentVariables.all()
    if let home { environment["PALANA_HOME"] = home }
    environment.merge(more) { _, option in option }
    return try ConfigurationLoader.load(file: config, environment: environment)
  }
}

/// `palanad gateway run`, and `palanad gateway` without a subcommand.
struct GatewayRunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "run", abstract: "Runs until SIGTERM or SIGINT.")

  @OptionGroup var options: GatewayOptions

  @Option(help: "The folder with the manifests of agents, templates, policies, secret bindings and kill orders.")
  var agents: String?

  @Flag(help: "Takes agents and all that decides about them from a Kubernetes cluster instead of a folder.")
  var cluster = false

  @Option(help: "What carries the requests of agents: builtin or envoy.")
  var dataPlane: LocalConfiguration.DataPlane?

  @Option(help: "Address and port for agents.")
  var listen: String?

  func run() async throws {
    DaemonProcess.harden()
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    let logger = options.logger()
    do {
      var overriding: [String: String] = [:]
      if let agents { overriding["PALANA_GATEWAY_AGENTS"] = agents }
      if cluster { overriding["PALANA_GATEWAY_CLUSTER_ENABLED"] = "true" }
      if let dataPlane { overriding["PALANA_EGRESS_DATA_PLANE"] = dataPlane.rawValue }
      if let listen { overriding["PALANA_EGRESS_LISTEN"] = listen }
      let configuration = try options.load(overriding)
      let agents = try await GatewayDaemon.Agents.configured(configuration)
      try await GatewayDaemon(configuration: configuration, agents: agents, logger: logger).run()
    } catch let error as PalanaError {
      logger.critical("cannot run", metadata: ["error": "\(error)"])
      throw ExitCode(error.code.exitCode)
    }
  }
}
