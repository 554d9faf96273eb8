import ArgumentParser
import PalanaCore
import PalanaManifests
import PalanaOperator

/// `palanad admission`: the policies that the API server evaluates by itself.
struct AdmissionCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "admission",
    abstract: "Prints the admission policies of a cluster, for ‘kubectl apply --server-side -f -’. The operator keeps the same ones.")

  @Option(help: "The operator’s configuration file, for its administrators (default: the group system:masters).")
  var config: String?

  @Option(help: "The namespace of the installation.")
  var namespace = "palana-system"

  @Option(name: .shortAndLong, help: "yaml or json.")
  var output = CRDsCommand.Format.yaml

  func run() async throws {
    let section = try config.map { try OperatorFile.read($0) }?.admission ?? AdmissionFile()
    let policies = AdmissionPolicies(section.parties(namespace: namespace)).all
    switch output {
    case .yaml: print(try YAMLText.documents(policies), terminator: "")
    case .json:
      let list: JSONValue = ["apiVersion": "v1", "kind": "List", "items": .array(policies)]
      print(String(decoding: list.encoded(pretty: true), as: UTF8.self))
    }
  }
}
