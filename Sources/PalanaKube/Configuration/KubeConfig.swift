package import PalanaCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Finds out which API server is meant: from kubeconfig files, or from inside a pod.
package struct KubeConfig: Sendable {
  /// A file with the folder that its relative paths count from.
  private struct Source: Sendable {
    var path: String
    var file: KubeConfigFile
    var folder: String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "." }
  }

  private let sources: [Source]

  /// The files that `kubectl` would read: those of `KUBECONFIG`, else `~/.kube/config`.
  package static func paths(_ environment: [String: String]) -> [String] {
    if let list = environment["KUBECONFIG"], !list.isEmpty { return list.split(separator: ":").map(String.init) }
    return environment["HOME"].map { [$0 + "/.kube/config"] } ?? []
  }

  /// Reads the files; what stands in an earlier one counts. Files that do not exist are passed over, as `kubectl` does.
  ///
  /// - Throws: ``PalanaError``: `invalid` for a file that is none, `notFound` when there is not one.
  package init(paths: [String]) async throws(PalanaError) {
    var sources: [Source] = []
    for path in paths {
      guard let bytes = try await CredentialFile.read(path, orNil: true) else { continue }
      sources.append(Source(path: path, file: try KubeConfigFile.read(bytes.reveal(), path: path)))
    }
    guard !sources.isEmpty else {
      throw PalanaError(
        .notFound, "there is no kubeconfig at \(paths.joined(separator: " or "))",
        hint: "name one with --kubeconfig or KUBECONFIG, or run inside of the cluster")
    }
    self.sources = sources
  }

  /// The names of all contexts.
  package var contexts: [String] {
    var seen: Set<String> = []
    return sources.flatMap { $0.file.contexts ?? [] }.map(\.name).filter { seen.insert($0).inserted }
  }

  /// The server and the identity of a context.
  ///
  /// - Parameter context: nil for the current one.
  /// - Throws: ``PalanaError``: `invalid` when something is missing, contradictory or not supported.
  package func endpoint(context name: String? = nil) async throws(PalanaError) -> KubeEndpoint {
    guard let name = name ?? sources.lazy.compactMap({ $0.file.current }).first(where: { !$0.isEmpty }) else {
      throw PalanaError(.invalid, "the kubeconfig has no current context", hint: "kubectl config use-context NAME, or --context NAME")
    }
    guard let (context, _) = find(\.contexts, name) else {
      throw PalanaError(.invalid, "the kubeconfig has no context ‘\(name)’", hint: "it has: \(contexts.joined(separator: ", "))")
    }
    guard let clusterName = context.cluster, let (cluster, source) = find(\.clusters, clusterName) else {
      throw PalanaError(.invalid, "the context ‘\(name)’ names the cluster ‘\(context.cluster ?? "")’, which is not there")
    }
    var endpoint = try await Self.endpoint(cluster, named: clusterName, source: source)
    if let namespace = context.namespace, !namespace.isEmpty { endpoint.namespace = namespace }
    guard let userName = context.user, !userName.isEmpty else { return endpoint }
    guard let (user, place) = find(\.users, userName) else {
      throw PalanaError(.invalid, "the context ‘\(name)’ names the user ‘\(userName)’, who is not there")
    }
    endpoint.authentication = try await Self.authentication(user, named: userName, source: place, endpoint: endpoint)
    return endpoint
  }

  private func find<Content>(_ list: KeyPath<KubeConfigFile, [KubeConfigFile.Named<Content>]?>, _ name: String) -> (Content, Source)? {
    for source in sources {
      for entry in source.file[keyPath: list] ?? [] where entry.name == name {
        if let content = entry.content { return (content, source) }
      }
    }
    return nil
  }

  private static func endpoint(
    _ cluster: KubeConfigFile.Cluster, named name: String, source: Source
  ) async throws(PalanaError) -> KubeEndpoint {
    guard var url = cluster.server, url.hasPrefix("https://") || url.hasPrefix("http://") else {
      throw PalanaError(.invalid, "the server of the cluster ‘\(name)’ is not an address that begins with https://")
    }
    while url.hasSuffix("/") { url.removeLast() }
    var endpoint = KubeEndpoint(url: url)
    endpoint.proxy = cluster.proxy.flatMap { $0.isEmpty ? nil : $0 }
    endpoint.authorities = try await content(
      data: cluster.authorityData, path: cluster.authority, what: "the certificate authority of ‘\(name)’", source)?.reveal()
    endpoint.serverName = cluster.serverName.flatMap { $0.isEmpty ? nil : $0 }
    endpoint.skipsVerification = cluster.skipsVerification ?? false
    guard !endpoint.skipsVerification || endpoint.authorities == nil else {
      throw PalanaError(.invalid, "the cluster ‘\(name)’ has a certificate authority and is not to be verified: one of them is wrong")
    }
    return endpoint
  }

  private static func authentication(
    _ user: KubeConfigFile.User, named name: String, source: Source, endpoint: KubeEndpoint
  ) async throws(PalanaError) -> KubeAuthentication {
    if let provider = user.authProvider?.name {
      throw PalanaError(
        .invalid, "the user ‘\(name)’ signs in with the auth-provider ‘\(provider)’, which Kubernetes no longer has",
        hint: "use an exec plugin")
    }
    let certificate = try await content(
      data: user.certificateData, path: user.certificate, what: "the certificate of ‘\(name)’", source)
    let key = try await content(data: user.keyData?.value.reveal(), path: user.key, what: "the key of ‘\(name)’", source)
    if let certificate {
      guard let key else { throw PalanaError(.invalid, "the user ‘\(name)’ has a certificate and no key") }
      return .certificate(certificate.reveal(), key: key)
    }
    // A file is renewed by somebody; a token that stands there too is what it was at the beginning.
    if let path = user.tokenFile, !path.isEmpty { return .tokenFile(absolute(path, source)) }
    if let token = user.token, !token.value.reveal().isEmpty { return .token(token.value) }
    if let name = user.username, !name.isEmpty {
      return .basic(user: name, password: user.password?.value ?? Redacted(""))
    }
    if let exec = user.exec { return .exec(try plugin(exec, named: name, source, endpoint)) }
    return .none
  }

  private static func plugin(
    _ exec: KubeConfigFile.Exec, named name: String, _ source: Source, _ endpoint: KubeEndpoint
  ) throws(PalanaError) -> ExecPlugin {
    let version = exec.apiVersion ?? ""
    guard ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"].contains(version) else {
      throw PalanaError(.invalid, "the exec plugin of ‘\(name)’ speaks ‘\(version)’; v1 and v1beta1 of client.authentication.k8s.io work")
    }
    guard exec.interactiveMode != "Always" else {
      throw PalanaError(.invalid, "the exec plugin of ‘\(name)’ wants a terminal, which it does not get here")
    }
    // A bare name is looked for in PATH, a relative path counts from the file.
    let command = exec.command.contains("/") ? absolute(exec.command, source) : exec.command
    var cluster: JSONObject = ["server": .string(endpoint.url)]
    if let name = endpoint.serverName { cluster["tls-server-name"] = .string(name) }
    if endpoint.skipsVerification { cluster["insecure-skip-tls-verify"] = true }
    if let authorities = endpoint.authorities {
      cluster["certificate-authority-data"] = .string(Data(authorities).base64EncodedString())
    }
    let variables = Dictionary((exec.env ?? []).map { ($0.name, $0.value ?? "") }) { $1 }
    return ExecPlugin(
      command: command, arguments: exec.args ?? [], environment: variables, apiVersion: version, installHint: exec.installHint ?? "",
      cluster: exec.provideClusterInfo == true ? .object(cluster) : nil)
  }

  /// The data that stands in the file, else the content of the file that it names.
  private static func content(
    data: String?, path: String?, what: String, _ source: Source
  ) async throws(PalanaError) -> Redacted<[UInt8]>? {
    if let data, !data.isEmpty {
      guard let decoded = Data(base64Encoded: data) else { throw PalanaError(.invalid, "\(what) is not base64") }
      return Redacted(Array(decoded))
    }
    guard let path, !path.isEmpty else { return nil }
    return try await CredentialFile.read(absolute(path, source))
  }

  private static func absolute(_ path: String, _ source: Source) -> String {
    path.hasPrefix("/") ? path : "\(source.folder)/\(path)"
  }
}
