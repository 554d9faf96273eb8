import ArgumentParser
import Foundation
import Logging
import PalanaCore
import PalanaSecrets

/// `palanad vault`: prepares an existing Vault or OpenBao for a cluster.
struct VaultCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vault", abstract: "Prepares a Vault or OpenBao server for the platform in a cluster.",
    subcommands: [VaultBootstrapCommand.self, VaultPolicyCommand.self])
}

/// What is to be set up.
struct ClusterSetupOptions: ParsableArguments {
  @Option(help: "The namespace of the platform, where its service accounts are.")
  var namespace = "palana-system"

  @Option(help: "Where the auth method of service accounts is mounted, below auth/.")
  var mount = KubernetesLogin.usualMount

  @Option(help: "Whom the tokens of service accounts have to be for.")
  var audience = KubernetesLogin.usualAudience

  @Option(help: "The API server, as the store reaches it.")
  var kubernetesHost = "https://kubernetes.default.svc"

  func setup(authority: String? = nil, reviewer: Redacted<String>? = nil, replaces: Bool = false) throws(PalanaError) -> ClusterSetup {
    try ClusterSetup(
      namespace: namespace, mount: mount, audience: audience, kubernetesHost: kubernetesHost, kubernetesCA: authority,
      reviewer: reviewer, replacesLogins: replaces)
  }
}

/// `palanad vault policy`: what the token for the bootstrap has to be allowed.
struct VaultPolicyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "Prints a policy that is enough for the token of ‘vault bootstrap’.")

  @OptionGroup var options: ClusterSetupOptions

  func run() async throws {
    try await reporting { () async throws(PalanaError) in
      SecretPolicy.text(try options.setup().rights + SecretPolicy.forBootstrap)
    }
  }
}

/// `palanad vault bootstrap`.
struct VaultBootstrapCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bootstrap",
    abstract: "Sets up what the platform needs in an existing Vault or OpenBao, and changes nothing that is as it has to be.")

  enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

  @OptionGroup var options: ClusterSetupOptions

  @Option(help: "The store: https://HOST[:PORT], http://127.0.0.1:PORT or unix:/PATH.")
  var address: String

  @Option(help: "The authorities of the store’s certificate, PEM (default: the machine’s).")
  var caFile: String?

  @Option(help: "A file for its owner alone with a token of the store; ‘-’: standard input.")
  var tokenFile: String

  @Option(help: "The authorities of the API server’s certificate, PEM (default: those of the store’s own pod).")
  var kubernetesCa: String?

  @Option(help: "A file with the token with which the store asks the API server about others (default: that of the store’s own pod).")
  var reviewerTokenFile: String?

  @Flag(help: "Change the settings of an auth method that is set up otherwise; whoever else logs in by it is affected.")
  var replaceLogins = false

  @Flag(help: "Say what would be done, and do nothing.")
  var dryRun = false

  @Option(name: .shortAndLong, help: "text or json.")
  var output = Format.text

  func run() async throws {
    try await reporting { () async throws(PalanaError) in
      let server = try VaultServer(address: try VaultAddress.parse(address), caFile: caFile)
      let result: Result<[SetupReport], PalanaError>
      do throws(PalanaError) { result = .success(try await reports(server)) } catch { result = .failure(error) }
      await server.close()
      let reports = try result.get()
      return output == .json ? json(reports) : text(reports)
    }
  }

  private func reports(_ server: VaultServer) async throws(PalanaError) -> [SetupReport] {
    let token = try await CredentialInput.word(tokenFile)
    var reviewer: Redacted<String>?
    if let reviewerTokenFile { reviewer = try await CredentialInput.word(reviewerTokenFile) }
    let setup = try options.setup(
      authority: try kubernetesCa.map { file throws(PalanaError) in try TextFile.read(file) }, reviewer: reviewer, replaces: replaceLogins)
    return try await setup.run(VaultClient(server: server, tokens: .fixed(token)), isDry: dryRun)
  }

  private func text(_ reports: [SetupReport]) -> String {
    var lines = reports.map { report in
      let (word, details) = words(report.finding)
      let padded = word + String(repeating: " ", count: max(14 - word.count, 1))
      return padded + report.what + (details.isEmpty ? "" : ": " + details.joined(separator: ", "))
    }
    let isDone = reports.allSatisfy { $0.finding == .asWanted }
    lines.append(isDone ? "nothing to do" : dryRun ? "nothing was changed (--dry-run)" : "done")
    return lines.joined(separator: "\n") + "\n"
  }

  private func json(_ reports: [SetupReport]) -> String {
    let items = reports.map { report -> JSONValue in
      let (word, details) = words(report.finding)
      return ["what": .string(report.what), "action": .string(word), "fields": .array(details.map(JSONValue.string))]
    }
    let document: JSONValue = [
      "dryRun": .bool(dryRun), "changed": .bool(!dryRun && reports.contains { $0.finding != .asWanted }), "items": .array(items),
    ]
    return String(decoding: document.encoded(pretty: true), as: UTF8.self) + "\n"
  }

  private func words(_ finding: SetupFinding) -> (String, [String]) {
    switch finding {
    case .asWanted: ("unchanged", [])
    case .missing: (dryRun ? "would create" : "created", [])
    case .different(let fields): (dryRun ? "would change" : "changed", fields)
    case .inTheWay(let why): ("refused", [why])
    }
  }
}

/// Prints what `body` returns, or its error as one sentence, and exits as the error says.
private func reporting(_ body: () async throws(PalanaError) -> String) async throws {
  DaemonProcess.harden()
  LoggingSystem.bootstrap { _ in SwiftLogNoOpLogHandler() }
  do throws(PalanaError) {
    print(try await body(), terminator: "")
  } catch {
    FileHandle.standardError.write(Data("palanad: \(error)\n".utf8))
    throw ExitCode(error.code.exitCode)
  }
}
