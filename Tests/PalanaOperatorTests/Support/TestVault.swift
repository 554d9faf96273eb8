import Foundation
import Logging
import NIOCore
import NIOHTTP1
import PalanaCore
import PalanaKube
import Synchronization

@testable import PalanaOperator
@testable import PalanaSecrets

/// A real OpenBao server for a test, in a folder of its own that is removed at the end.
final class TestVault: Sendable {
  private static let binary = ProcessInfo.processInfo.environment["PALANA_BAO"] ?? "/opt/palana/tools/openbao/bao"
  static let isPresent = FileManager.default.isExecutableFile(atPath: binary)
  static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  let folder: String
  let server: VaultServer
  private let process = Mutex<Process?>(nil)
  private let token = Mutex<Redacted<String>?>(nil)

  var address: String { "unix:\(folder)/bao.sock" }
  /// May do everything.
  var root: VaultClient { VaultClient(server: server, tokens: token.withLock { $0.map { .fixed($0) } ?? .none }) }
  var rootToken: Redacted<String>? { token.withLock { $0 } }

  static func run<Value>(_ body: (TestVault) async throws -> Value) async throws -> Value {
    let vault = try TestVault()
    let result: Result<Value, any Error>
    do {
      try await vault.start()
      let made = try await vault.server.initialize()
      vault.token.withLock { $0 = made.rootToken }
      try await vault.active()
      result = .success(try await body(vault))
    } catch {
      result = .failure(error)
    }
    vault.stop()
    await vault.server.close()
    try? FileManager.default.removeItem(atPath: vault.folder)
    return try result.get()
  }

  private init() throws {
    folder = "/tmp/palana-vault-\(RandomToken.hex(bytes: 6))"
    try FileManager.default.createDirectory(
      atPath: folder + "/data", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    server = try VaultServer(address: .socket(folder + "/bao.sock"))
    let key = Data((0..<32).map { _ in UInt8.random(in: 0...255) })
    try key.write(to: URL(filePath: folder + "/seal.key"))
    let configuration = """
      {"storage": {"raft": {"path": "\(folder)/data", "node_id": "test", "performance_multiplier": "1"}},
       "seal": {"static": {"current_key_id": "1", "current_key": "file://\(folder)/seal.key"}},
       "listener": [{"unix": {"address": "\(folder)/bao.sock", "socket_mode": "0600"}},
                    {"tcp": {"address": "127.0.0.1:0", "cluster_address": "127.0.0.1:0", "tls_disable": true}}],
       "api_addr": "http://127.0.0.1:0", "cluster_addr": "https://127.0.0.1:0"}
      """
    try Data(configuration.utf8).write(to: URL(filePath: folder + "/server.json"))
  }

  /// Starts it, again too; what it stored is still there.
  func start() async throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/setpriv")
    process.arguments = ["--pdeathsig", "KILL", "--", Self.binary, "server", "-config=\(folder)/server.json"]
    _ = FileManager.default.createFile(atPath: folder + "/log", contents: nil)
    process.standardOutput = FileHandle(forWritingAtPath: folder + "/log")
    process.standardError = process.standardOutput
    try process.run()
    self.process.withLock { $0 = process }
    try await TestCluster.until("OpenBao answers") { (try? await self.server.health(retrying: false)) != nil }
    if rootToken != nil { try await active() }
  }

  private func active() async throws {
    try await TestCluster.until("OpenBao is unsealed") { try await self.server.health().isActive }
  }

  func stop() {
    process.withLock { process in
      guard let process, process.isRunning else { return }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
  }

  // MARK: Tokens of service accounts

  /// A client that logs in as a service account, whose token is made now.
  func login(
    _ cluster: KubeClient, _ account: String, in namespace: String, role: String, audience: String = "vault", seconds: Int = 600
  ) async throws -> VaultClient {
    let file = "\(folder)/token-\(RandomToken.hex(bytes: 4))"
    try await Self.token(cluster, account, in: namespace, audience: audience, to: file)
    let session = VaultSession(
      server: server, credential: .kubernetes(try KubernetesLogin(role: role, tokenFile: file)), logger: Self.logger)
    return VaultClient(server: server, tokens: .session(session))
  }

  /// Writes a token of a service account to a file (`TokenRequest`).
  static func token(_ cluster: KubeClient, _ account: String, in namespace: String, audience: String, to file: String) async throws {
    let resource = KubeResource("", "v1", "serviceaccounts", kind: "ServiceAccount")
    let path = try resource.path(namespace: namespace, name: account, subresource: "token")
    let answer = try await cluster.json(
      .POST, path,
      [
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": ["audiences": audience.isEmpty ? [] : [.string(audience)], "expirationSeconds": 600],
      ])
    guard let token = answer["status"]?["token"]?.string else { throw PalanaError(.failed, "no token") }
    try Data(token.utf8).write(to: URL(filePath: file))
  }

  /// Makes a service account, and its namespace if there is none.
  static func account(_ cluster: KubeClient, _ name: String, in namespace: String) async throws {
    let namespaces = KubeResource("", "v1", "namespaces", kind: "Namespace", isNamespaced: false)
    _ = try await cluster.apply(namespaces, KubeObject(namespaces, name: namespace))
    let accounts = KubeResource("", "v1", "serviceaccounts", kind: "ServiceAccount")
    _ = try await cluster.apply(accounts, KubeObject(accounts, namespace: namespace, name: name))
  }

  /// Lets the store ask the API server about tokens, as `vault bootstrap` does it from outside of a cluster.
  static func setup(
    _ cluster: KubeClient, namespace: String, replacesLogins: Bool = false
  ) async throws -> ClusterSetup {
    let endpoint = try await TestCluster.endpoint()
    try await account(cluster, "reviewer", in: namespace)
    let bindings = KubeResource(
      "rbac.authorization.k8s.io", "v1", "clusterrolebindings", kind: "ClusterRoleBinding", isNamespaced: false)
    var binding = KubeObject(bindings, name: "reviewer-\(namespace)")
    binding["roleRef"] = ["apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"]
    binding["subjects"] = [["kind": "ServiceAccount", "name": "reviewer", "namespace": .string(namespace)]]
    _ = try await cluster.apply(bindings, binding)
    let file = NSTemporaryDirectory() + "/reviewer-\(RandomToken.hex(bytes: 4))"
    defer { try? FileManager.default.removeItem(atPath: file) }
    try await token(cluster, "reviewer", in: namespace, audience: "", to: file)
    return try ClusterSetup(
      namespace: namespace, mount: "kubernetes", audience: "vault", kubernetesHost: endpoint.url,
      kubernetesCA: String(decoding: endpoint.authorities ?? [], as: UTF8.self),
      reviewer: Redacted(try String(contentsOfFile: file, encoding: .utf8)), replacesLogins: replacesLogins)
  }
}

extension TestVault {
  /// Writes as somebody who may do everything.
  func write(_ path: String, _ body: JSONValue) async throws { try await root.post(path, body) }

  /// A client with a token of exactly this policy.
  func client(policy: String) async throws -> VaultClient {
    let name = "test-\(RandomToken.hex(bytes: 4))"
    try await root.writePolicy(name, policy)
    let answer = try await root.post("auth/token/create", ["policies": [.string(name)], "no_default_policy": true])
    guard let token = answer["auth"]?["client_token"]?.string else { throw PalanaError(.failed, "no token") }
    return VaultClient(server: server, tokens: .fixed(Redacted(token)))
  }
}

extension VaultClient {
  /// Any request that writes.
  @discardableResult
  func post(_ path: String, _ body: JSONValue) async throws(PalanaError) -> JSONValue {
    let answer = try await call(.POST, path, body: Redacted(ByteBuffer(bytes: body.encoded())))
    let bytes = Array(answer.body.reveal().readableBytesView)
    return bytes.isEmpty ? .null : try JSONValue(parsing: bytes)
  }
}
