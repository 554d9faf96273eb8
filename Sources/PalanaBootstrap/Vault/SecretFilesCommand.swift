import ArgumentParser
import Logging
import PalanaCore
import PalanaSecrets
import ServiceLifecycle
import UnixSignals

/// `palanad secret-files`: the files of the secrets that an agent in a cluster reads itself.
struct SecretFilesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "secret-files", abstract: "Keeps the files of the secrets that an agent reads itself, beside it in its pod.")

  @Option(help: "The store: https://HOST[:PORT].")
  var address: String

  @Option(help: "The authorities of the store’s certificate, PEM (default: the image’s).")
  var caFile: String?

  @Option(help: "The role of the store that is this agent’s.")
  var role: String

  @Option(help: "Where the auth method of service accounts is mounted, below auth/.")
  var mount = KubernetesLogin.usualMount

  @Option(help: "The service account’s token for the store.")
  var tokenFile = KubernetesLogin.usualTokenFile

  @Option(help: "Whose agent it is.")
  var owner: String

  @Option(help: "The agent’s name.")
  var agent: String

  @Option(help: "The folder of the files, in memory.")
  var folder = "/run/secrets"

  @Option(help: "Seconds between looks.")
  var interval = 15

  @Flag(help: "End when the files are there.")
  var once = false

  @Option(help: "trace, debug, info, notice, warning or error.")
  var logLevel = "info"

  func run() async throws {
    DaemonProcess.harden()
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var logger = Logger(label: "palanad")
    logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
    do {
      guard (1...3_600).contains(interval) else { throw PalanaError(.invalid, "--interval: 1 to 3600 seconds") }
      let server = try VaultServer(address: try VaultAddress.parse(address), caFile: caFile)
      let session = VaultSession(
        server: server, credential: .kubernetes(try KubernetesLogin(role: role, mount: mount, tokenFile: tokenFile)), logger: logger)
      let follower = SecretFollower(
        store: VaultClient(server: server, tokens: .session(session)), owner: try UserIdentity(owner), agent: try ResourceName(agent),
        folder: SecretFolder(path: folder), logger: logger)
      let files = SecretFilesRole(follower: follower, interval: once ? nil : .seconds(interval))
      // The session keeps the token alive; for one look there is none to keep.
      var services: [ServiceGroupConfiguration.ServiceConfiguration] = [.init(service: server)]
      if !once { services.append(.init(service: session)) }
      services.append(.init(service: files, successTerminationBehavior: .gracefullyShutdownGroup))
      try await ServiceGroup(
        configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
      ).run()
    } catch let error as PalanaError {
      logger.critical("cannot run", metadata: ["error": "\(error)"])
      throw ExitCode(error.code.exitCode)
    }
  }
}

private struct SecretFilesRole: Service, CustomStringConvertible {
  let follower: SecretFollower
  /// nil: once.
  let interval: Duration?

  var description: String { "SecretFilesRole" }

  func run() async throws {
    try await cancelWhenGracefulShutdown {
      if let interval { await follower.follow(every: interval) } else { try await follower.first() }
    }
  }
}
