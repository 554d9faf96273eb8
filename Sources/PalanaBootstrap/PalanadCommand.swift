package import ArgumentParser
import Glibc
import Logging
import PalanaCore

/// `palanad`: one program, a role for each subcommand.
package struct PalanadCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "palanad", abstract: "The daemons of Palana.", version: PalanaVersion.current,
    subcommands: [
      LocalCommand.self, GatewayCommand.self, OperatorCommand.self, ControlCommand.self, ReaperCommand.self, VaultCommand.self,
      SecretFilesCommand.self, CRDsCommand.self, AdmissionCommand.self, AttackCommand.self,
    ])

  package init() {}
}

/// `palanad local`: everything that one machine needs.
struct LocalCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "local", abstract: "Runs the whole platform on this machine.")

  @Option(help: "Where everything is kept (default: /var/lib/palana).")
  var home: String?

  @Option(help: "The configuration file (default: HOME/config.yaml, if there is one).")
  var config: String?

  @Option(help: "Address and port of the control API besides its Unix socket.")
  var listen: String?

  @Option(help: "trace, debug, info, notice, warning or error.")
  var logLevel: String = "info"

  func run() async throws {
    DaemonProcess.harden()
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var logger = Logger(label: "palanad")
    logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
    do {
      guard geteuid() == 0 else {
        throw PalanaError(.denied, "palanad needs root: it makes namespaces, firewall rules and sandboxes", hint: "use sudo")
      }
      try await LocalDaemon(configuration: try load(), logger: logger).run()
    } catch let error as PalanaError {
      logger.critical("cannot run", metadata: ["error": "\(error)"])
      throw ExitCode(error.code.exitCode)
    }
  }

  private func load() throws(PalanaError) -> LocalConfiguration {
    var environment = EnvironmentVariables.all()
    if let home { environment["PALANA_HOME"] = home }
    if let listen { environment["PALANA_CONTROL_LISTEN"] = listen }
    return try ConfigurationLoader.load(file: config, environment: environment)
  }
}

extension ConfigurationLoader {
  /// - Parameter file: nil: `HOME/config.yaml`, if there is one.
  static func load(file: String?, environment: [String: String]) throws(PalanaError) -> LocalConfiguration {
    let home = environment["PALANA_HOME"] ?? LocalConfiguration().home
    let path = file ?? HomeLayout(home: home).defaultConfiguration
    let text: String?
    do {
      text = try TextFile.read(path)
    } catch {
      if file != nil || error.code != .notFound { throw error }
      text = nil
    }
    return try load(yaml: text, file: path, environment: environment)
  }
}
