import ArgumentParser
import PalanaAPI
import PalanaCore
import PalanaManifests

/// `palanad crds`: what a Kubernetes API server has to know of Palana's kinds.
struct CRDsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "crds", abstract: "Prints the custom resource definitions, for ‘kubectl apply --server-side -f -’.")

  enum Format: String, ExpressibleByArgument, CaseIterable { case yaml, json }

  @Option(name: .shortAndLong, help: "yaml or json.")
  var output = Format.yaml

  func run() async throws {
    switch output {
    case .yaml: print(try YAMLText.documents(CustomResourceDefinition.all), terminator: "")
    case .json:
      let list: JSONValue = ["apiVersion": "v1", "kind": "List", "items": .array(CustomResourceDefinition.all)]
      print(String(decoding: list.encoded(pretty: true), as: UTF8.self))
    }
  }
}
