import ArgumentParser
import Foundation
import Logging
import PalanaAPI
import PalanaCore
import PalanaEgress
import PalanaPlan
import PalanaStore

/// `palanad gateway env`: what an agent has to be given.
struct GatewayEnvCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "env", abstract: "Prints the environment of an agent: the gateway with its password, and where the roots are.")

  @OptionGroup var options: GatewayOptions

  @Option(help: "The folder with the manifests.")
  var agents: String?

  @Option(help: "Address and port at which the agent reaches the gateway (default: egress.listen).")
  var address: String?

  @Option(help: "Whose agent it is, as in its manifest.")
  var owner: String

  @Argument(help: "The agent's name.")
  var name: String

  func run() async throws {
    try await quietly(options) { logger throws in
      var overriding: [String: String] = [:]
      if let agents { overriding["PALANA_GATEWAY_AGENTS"] = agents }
      let configuration = try options.load(overriding)
      let folder = try ManifestFolder(configuration)
      let manifests = try AgentManifests(try folder.read())
      let owner = try UserIdentity(owner)
      let name = try ResourceName(name)
      guard let agent = manifests.inputs.agents.first(where: { $0.spec.owner == owner && $0.metadata.name == name }),
        let uid = agent.metadata.uid
      else { throw PalanaError(.notFound, "no manifest in \(folder.path) is of the agent ‘\(name)’ of \(owner.raw)") }
      let daemon = try GatewayDaemon(configuration: configuration, agents: .folder(folder), logger: logger)
      var seen = configuration
      if let address { seen = try options.load(["PALANA_EGRESS_LISTEN": address]) }
      guard let listen = seen.egress.listen else { return "" }
      let keys = try await daemon.keys()
      let environment = AgentEnvironment(
        agent: name, owner: owner, platform: PlatformFacts(gateway: listen.address, prefix: 32, proxyPort: listen.port))
      let own = manifests.inputs.bindings.filter { $0.spec.owner == owner && $0.spec.agent == name.text }
      let variables = environment.variables(written: agent.spec.env ?? [:], bindings: own)
      let token = keys.tokens.token(uid: uid).reveal()
      return variables.sorted { $0.key < $1.key }
        .map { "\($0.key)=\($0.value.replacing(AgentEnvironment.proxyTokenMark, with: token))\n" }.joined()
    }
  }
}

/// `palanad gateway ca`: what agents have to trust.
struct GatewayCACommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ca", abstract: "Prints the certificate authority that agents have to trust, as PEM.")

  @OptionGroup var options: GatewayOptions

  func run() async throws {
    try await quietly(options) { logger throws in
      let configuration = try options.load()
      let daemon = try GatewayDaemon(configuration: configuration, agents: .folder(ManifestFolder(path: "")), logger: logger)
      return try await daemon.keys().authority.certificatePEM
    }
  }
}

/// `palanad gateway audit`: the trail, which the gateway keeps by itself.
struct GatewayAuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Prints every event, one JSON object a line, as ‘pcli audit verify --file’ reads it.")

  @OptionGroup var options: GatewayOptions

  func run() async throws {
    try await quietly(options) { _ throws in
      let export = try await AuditExport(path: HomeLayout(home: try options.load().home).auditDatabase)
      var last: Int64 = 0
      while true {
        let page = try await export.lines(after: last, limit: 1_000)
        guard !page.lines.isEmpty else { return "" }
        last = page.lastSeq
        try FileHandle.standardOutput.write(contentsOf: page.lines)
      }
    }
  }
}

/// Prints what `body` returns, or its error as one sentence.
private func quietly(_ options: GatewayOptions, _ body: (Logger) async throws -> String) async throws {
  DaemonProcess.harden()
  LoggingSystem.bootstrap { _ in SwiftLogNoOpLogHandler() }
  do {
    print(try await body(options.logger()), terminator: "")
  } catch let error as PalanaError {
    FileHandle.standardError.write(Data("palanad: \(error)\n".utf8))
    throw ExitCode(error.code.exitCode)
  }
}
