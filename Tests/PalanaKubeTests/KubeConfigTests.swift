import Foundation
import PalanaCore
import Testing

@testable import PalanaKube

@Suite struct KubeConfigTests {
  /// Writes files into a folder of their own and gives their paths.
  private func withFiles<Value>(_ files: [String: String], _ body: (String) async throws -> Value) async throws -> Value {
    let folder = NSTemporaryDirectory() + "/palana-kube-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for (name, text) in files { try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8) }
    return try await body(folder)
  }

  private static let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

  private static let whole = """
    apiVersion: v1
    kind: Config
    preferences: {colors: true}
    current-context: one
    contexts:
    - {name: one, context: {cluster: c, user: token, namespace: team}}
    - {name: two, context: {cluster: d, user: certificate}}
    - {name: three, context: {cluster: c, user: file}}
    - {name: four, context: {cluster: c, user: exec}}
    - {name: five, context: {cluster: c, user: basic}}
    - {name: six, context: {cluster: c, user: ""}}
    - {name: seven, context: {cluster: c, user: old}}
    - {name: eight, context: {cluster: nowhere, user: token}}
    - {name: nine, context: {cluster: c, user: nobody}}
    - {name: ten, context: {cluster: both, user: token}}
    - {name: eleven, context: {cluster: ftp, user: token}}
    - {name: twelve, context: {cluster: c, user: typist}}
    clusters:
    - {name: c, cluster: {server: "https://10.0.0.1:6443/", certificate-authority: ca.pem, tls-server-name: kube.internal}}
    - {name: d, cluster: {server: "https://d.example", insecure-skip-tls-verify: true, proxy-url: "http://proxy:3128"}}
    - {name: both, cluster: {server: "https://d.example", insecure-skip-tls-verify: true, certificate-authority: ca.pem}}
    - {name: ftp, cluster: {server: "ftp://d.example"}}
    users:
    - {name: token, user: {token: the-token}}
    - {name: certificate, user: {client-certificate-data: \(Data("chain".utf8).base64EncodedString()), client-key: key.pem}}
    - {name: file, user: {token: old, tokenFile: token}}
    - name: exec
      user:
        exec:
          apiVersion: client.authentication.k8s.io/v1
          command: ./login
          args: [--for, me]
          env: [{name: A, value: b}]
          provideClusterInfo: true
          interactiveMode: IfAvailable
    - {name: basic, user: {username: me, password: the-password}}
    - {name: old, user: {auth-provider: {name: gcp}}}
    - {name: typist, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: login, interactiveMode: Always}}}
    """

  private func endpoint(_ context: String?) async throws -> KubeEndpoint {
    try await withFiles(["config": Self.whole, "ca.pem": Self.pem, "key.pem": "key", "token": "file-token\n"]) { folder in
      try await KubeConfig(paths: ["\(folder)/config"]).endpoint(context: context)
    }
  }

  @Test func theCurrentContext() async throws {
    let endpoint = try await endpoint(nil)
    #expect(endpoint.url == "https://10.0.0.1:6443" && endpoint.namespace == "team" && endpoint.serverName == "kube.internal")
    #expect(endpoint.authorities == Array(Self.pem.utf8))
    guard case .token(let token) = endpoint.authentication else { return #expect(Bool(false)) }
    #expect(token.reveal() == "the-token")
    #expect(!"\(endpoint)".contains("the-token"))
  }

  @Test func theOtherWaysToSignIn() async throws {
    let certificate = try await endpoint("two")
    #expect(certificate.skipsVerification && certificate.proxy == "http://proxy:3128")
    if case .certificate(let chain, let key) = certificate.authentication {
      #expect(chain == Array("chain".utf8) && key.reveal() == Array("key".utf8))
    } else {
      #expect(Bool(false))
    }
    // The file counts, not the token beside it.
    if case .tokenFile(let path) = try await endpoint("three").authentication {
      #expect(path.hasSuffix("/token"))
    } else {
      #expect(Bool(false))
    }
    if case .exec(let plugin) = try await endpoint("four").authentication {
      #expect(plugin.command.hasSuffix("/./login") && plugin.command.hasPrefix("/"))
      #expect(plugin.arguments == ["--for", "me"] && plugin.environment == ["A": "b"])
      #expect(plugin.cluster?["server"]?.string == "https://10.0.0.1:6443" && plugin.cluster?["certificate-authority-data"] != nil)
    } else {
      #expect(Bool(false))
    }
    if case .basic("me", let password) = try await endpoint("five").authentication {
      #expect(password.reveal() == "the-password")
    } else {
      #expect(Bool(false))
    }
    if case .none = try await endpoint("six").authentication {} else { #expect(Bool(false)) }
  }

  @Test(arguments: [
    ("seven", "auth-provider"), ("eight", "‘nowhere’"), ("nine", "‘nobody’"), ("ten", "one of them is wrong"), ("eleven", "https://"),
    ("zero", "no context ‘zero’"), ("twelve", "a terminal"),
  ])
  func whatIsWrongIsSaid(context: String, text: String) async throws {
    let error = await #expect(throws: PalanaError.self) { try await endpoint(context) }
    #expect(error?.code == .invalid && error?.description.contains(text) == true, "\(error as Any)")
  }

  @Test func theFirstOfSeveralFilesCounts() async throws {
    let first = "current-context: x\nusers: [{name: u, user: {token: first}}]\n"
    let second = """
      current-context: y
      contexts: [{name: x, context: {cluster: c, user: u}}]
      clusters: [{name: c, cluster: {server: "https://c"}}]
      users: [{name: u, user: {token: second}}]
      """
    try await withFiles(["a": first, "b": second]) { folder in
      let config = try await KubeConfig(paths: ["\(folder)/a", "\(folder)/missing", "\(folder)/b"])
      #expect(config.contexts == ["x"])
      guard case .token(let token) = try await config.endpoint().authentication else { return #expect(Bool(false)) }
      #expect(token.reveal() == "first")
    }
  }

  @Test func whatIsNoConfig() async throws {
    await #expect(throws: PalanaError.self) { try await KubeConfig(paths: ["/nowhere/at/all"]) }
    for text in ["users: {", "users: 7", "users: [{user: {token: the-token}}]", "- a", "clusters: [{name: [1]}]"] {
      try await withFiles(["config": text]) { folder in
        let error = await #expect(throws: PalanaError.self, "\(text)") { try await KubeConfig(paths: [folder + "/config"]) }
        #expect(error?.description.contains("the-token") == false)
      }
    }
    // Empty files say nothing, which is not wrong.
    try await withFiles(["config": "", "other": "kind: Config\n"]) { folder in
      let config = try await KubeConfig(paths: [folder + "/config", folder + "/other"])
      #expect(config.contexts == [])
    }
  }

  @Test func pathsOfTheEnvironment() {
    #expect(KubeConfig.paths(["KUBECONFIG": "/a:/b", "HOME": "/root"]) == ["/a", "/b"])
    #expect(KubeConfig.paths(["HOME": "/root"]) == ["/root/.kube/config"])
    #expect(KubeConfig.paths([:]) == [])
  }

  @Test func insideOfAPod() async throws {
    let environment = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"]
    try await withFiles(["ca.crt": Self.pem, "namespace": "palana-system\n", "token": "t"]) { folder in
      let endpoint = try #require(try await InCluster.endpoint(environment, folder: folder))
      #expect(endpoint.url == "https://[fd00::1]:443" && endpoint.namespace == "palana-system")
      if case .tokenFile(let path) = endpoint.authentication { #expect(path == folder + "/token") } else { #expect(Bool(false)) }
    }
    #expect(try await InCluster.endpoint([:]).map(\.url) == nil)
    await #expect(throws: PalanaError.self) { try await InCluster.endpoint(environment, folder: "/nowhere") }
  }
}
