import ArgumentParser
import FoundationEssentials
import PalanaControlAPI
import PalanaCore
import PalanaManifests

/// `pcli kubeconfig`
struct KubeconfigCommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "kubeconfig", abstract: "Write a kubeconfig with which kubectl reaches your agents.",
    discussion: """
      It holds one cluster, one user and one context, in the namespace of your agents; nothing of a kubeconfig that you have. With \
      --token-file it names that file, and kubectl reads it anew each time; otherwise it holds the token itself.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Option(help: ArgumentHelp("Write it here, for you alone, instead of to standard output.", valueName: "file"), completion: .file())
  var file: String?

  func execute(in context: CommandContext) async throws -> Int32 {
    let (access, who, token) = try await context.withClient { client in
      let access: ClusterAccess = try await client.call(.cluster)
      return (access, try await client.call(.whoAmI, as: WhoAmI.self), client.endpoint.token)
    }
    guard who.impersonatedBy == nil else {
      throw PalanaError(.invalid, "a kubeconfig is for whom the token belongs to", hint: "leave --user out")
    }
    guard let token else { throw PalanaError(.invalid, "a kubeconfig needs a token", hint: "set PALANA_TOKEN or give --token-file FILE") }
    let credential: JSONObject =
      if let path = context.global.tokenFile {
        ["tokenFile": .string(LocalFile.absolute(path))]
      } else {
        ["token": .string(token.reveal())]
      }
    let config = Self.document(access, user: who.user, credential)
    guard let file else {
      switch context.output.format {
      case .json: try await context.output.raw(JSONText.pretty(config) + "\n")
      case .yaml, .table: try await context.output.raw(try YAMLText.document(config))
      }
      return 0
    }
    try PrivateFile.write(Array(try YAMLText.document(config).utf8), to: file)
    try await context.output.done(
      "Written to \(file). Use it with: kubectl --kubeconfig \(file) get agents", ["file": .string(file)] as JSONValue)
    return 0
  }

  /// The kubeconfig (`v1`, kind `Config`).
  static func document(_ access: ClusterAccess, user: UserIdentity, _ credential: JSONObject) -> JSONValue {
    var cluster: JSONObject = ["server": .string(access.server)]
    if !access.certificateAuthority.isEmpty {
      cluster["certificate-authority-data"] = .string(Data(access.certificateAuthority.utf8).base64EncodedString())
    }
    let name = JSONValue.string(access.name)
    let person = JSONValue.string(user.raw)
    return [
      "apiVersion": "v1", "kind": "Config", "current-context": name,
      "clusters": [["name": name, "cluster": .object(cluster)]],
      "users": [["name": person, "user": .object(credential)]],
      "contexts": [["name": name, "context": ["cluster": name, "user": person, "namespace": .string(access.namespace)]]],
    ]
  }
}
