import Foundation
import Testing

/// `palanad vault bootstrap` and `palanad secret-files` as programs, with a real API server, a real OpenBao and a service account's token.
@Suite(.enabled(if: SecretFilesCluster.isPresent)) struct KubernetesSecretFilesTests {
  @Test(.timeLimit(.minutes(5))) func aBootstrapAndTheFilesOfAnAgent() async throws {
    let cluster = SecretFilesCluster()
    defer { cluster.stop() }
    try await cluster.start()
    let reviewer = try await cluster.account("vault-reviewer", in: "palana-system", audience: nil)
    try await cluster.kube(
      "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
      #"""
      {"metadata": {"name": "vault-reviewer"},
       "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
       "subjects": [{"kind": "ServiceAccount", "name": "vault-reviewer", "namespace": "palana-system"}]}
      """#)
    let command = [
      "vault", "bootstrap", "--address", cluster.vault, "--token-file", "-", "--kubernetes-host", cluster.host, "--kubernetes-ca",
      cluster.folder + "/api/certificates/apiserver.crt", "--reviewer-token-file", reviewer,
    ]
    func bootstrap(_ more: String...) async throws -> Finished {
      try await run(Checkout.palanad, command + more, input: cluster.root + "\n")
    }
    let plan = try await bootstrap("--dry-run", "-o", "json").json()
    #expect(plan["changed"].bool == false && plan["items"].array.allSatisfy { $0["action"].string == "would create" })
    for end in ["done\n", "nothing to do\n"] {
      let done = try await bootstrap()
      #expect(done.code == 0 && done.output.hasSuffix(end) && !done.output.contains(cluster.root), "\(done.output)\(done.error)")
    }
    let wrong = try await run(Checkout.palanad, command, input: "wrong")
    #expect(wrong.code == 4 && !wrong.error.contains("wrong"), "\(wrong.error)")

    // What the operator gives an agent.
    let role = "palana-agent-alice-demo-0123456789"
    let token = try await cluster.account("agent", in: "agent-alice-demo-0123456789", audience: "vault")
    let policy = """
      path "kv/data/agents/alice/demo/DB" { capabilities = ["read"] }
      path "kv/metadata/agents/alice/demo" { capabilities = ["list"] }
      """
    #expect(try await cluster.bao("policy", "write", role, "-", input: policy).code == 0)
    #expect(
      try await cluster.bao(
        "write", "auth/kubernetes/role/\(role)", "bound_service_account_names=agent",
        "bound_service_account_namespaces=agent-alice-demo-0123456789", "audience=vault", "token_policies=\(role)",
        "token_no_default_policy=true", "token_ttl=5m"
      ).code == 0)
    #expect(try await cluster.bao("kv", "put", "-cas=0", "-mount=kv", "agents/alice/demo/DB", "user=u", "password=p1").code == 0)

    let folder = cluster.folder + "/secrets"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let files = [
      "secret-files", "--address", cluster.vault, "--role", role, "--token-file", token, "--owner=alice", "--agent", "demo", "--folder",
      folder,
    ]
    let first = try await run(Checkout.palanad, files + ["--once"])
    #expect(first.code == 0 && !first.error.contains("p1"), "\(first.error)")
    func password() -> String? { try? String(contentsOfFile: folder + "/DB/password", encoding: .utf8) }
    #expect(password() == "p1")
    let process = try cluster.launch(Checkout.palanad, files + ["--interval", "1"], log: "files.log")
    #expect(try await cluster.bao("kv", "put", "-cas=1", "-mount=kv", "agents/alice/demo/DB", "user=u", "password=p2").code == 0)
    try await waitUntil("the file follows a rotation") { password() == "p2" }
    // As a kill does it.
    #expect(try await cluster.bao("policy", "delete", role).code == 0)
    #expect(try await cluster.bao("delete", "auth/kubernetes/role/\(role)").code == 0)
    try await waitUntil("no file is left") { try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty }
    process.terminate()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    let log = try String(contentsOfFile: cluster.folder + "/files.log", encoding: .utf8)
    #expect(!log.contains("p2"), "\(log)")
  }
}

/// The two servers, in a folder of their own.
private final class SecretFilesCluster {
  static let bao = (ProcessInfo.processInfo.environment["PALANA_TOOLS"] ?? "/opt/palana/tools") + "/openbao/bao"
  static var isPresent: Bool {
    let folder = ProcessInfo.processInfo.environment["KUBEBUILDER_ASSETS"] ?? "/usr/local/kubebuilder/bin"
    return ["\(folder)/etcd", "\(folder)/kube-apiserver", bao].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }
  }

  let folder = "/tmp/palana-it-cluster-\(UInt32.random(in: 0...UInt32.max))"
  let root = "root-\(UInt64.random(in: 0...UInt64.max))"
  private(set) var vault = ""
  private(set) var host = ""
  private var admin = ""
  private let lifeline = Pipe()
  private var processes: [Process] = []

  func start() async throws {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let server = try launch(Checkout.root + "scripts/api-server", [folder + "/api", "--stdin"], log: "api.log")
    try await waitUntil("the API server is ready") {
      guard server.isRunning else { throw Failure() }
      return FileManager.default.fileExists(atPath: folder + "/api/kubeconfig")
    }
    let config = try JSON(parsing: String(contentsOfFile: folder + "/api/kubeconfig", encoding: .utf8))
    host = try #require(config["clusters"][0]["cluster"]["server"].string)
    admin = try #require(config["users"][0]["user"]["token"].string)
    // The port is the system's: another program may take it in between, and then it does not start.
    let port = try await run(
      Checkout.python, ["-c", "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"]
    ).output.trimmingCharacters(in: .whitespacesAndNewlines)
    vault = "http://127.0.0.1:\(port)"
    _ = try launch(
      "/usr/bin/setpriv",
      ["--pdeathsig", "KILL", "--", Self.bao, "server", "-dev", "-dev-no-store-token", "-dev-listen-address=127.0.0.1:\(port)"],
      log: "bao.log", environment: ["BAO_DEV_ROOT_TOKEN_ID": root, "HOME": folder])
    try await waitUntil("OpenBao answers") { try await bao("status").code == 0 }
  }

  struct Failure: Error {}

  func stop() {
    try? lifeline.fileHandleForWriting.close()
    for process in processes {
      process.terminate()
      process.waitUntilExit()
    }
    try? FileManager.default.removeItem(atPath: folder)
  }

  func launch(_ program: String, _ arguments: [String], log: String, environment: [String: String] = [:]) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    // It goes to the first one alone: whoever starts a process closes this process's end of its input.
    if processes.isEmpty { process.standardInput = lifeline } else { process.standardInput = FileHandle.nullDevice }
    _ = FileManager.default.createFile(atPath: "\(folder)/\(log)", contents: nil)
    process.standardOutput = FileHandle(forWritingAtPath: "\(folder)/\(log)")
    process.standardError = process.standardOutput
    try process.run()
    processes.append(process)
    return process
  }

  func bao(_ arguments: String..., input: String = "") async throws -> Finished {
    try await run(Self.bao, arguments, input: input, environment: ["BAO_ADDR": vault, "BAO_TOKEN": root, "HOME": folder])
  }

  @discardableResult
  func kube(_ path: String, _ body: String) async throws -> JSON {
    let made = try await run(
      "/usr/bin/curl",
      [
        "-sS", "--cacert", folder + "/api/certificates/apiserver.crt", "-H", "Authorization: Bearer \(admin)", "-H",
        "Content-Type: application/json", "-d", "@-", host + path,
      ], input: body)
    return try made.json()
  }

  func account(_ name: String, in namespace: String, audience: String?) async throws -> String {
    try await kube("/api/v1/namespaces", #"{"metadata": {"name": "\#(namespace)"}}"#)
    try await kube("/api/v1/namespaces/\(namespace)/serviceaccounts", #"{"metadata": {"name": "\#(name)"}}"#)
    let audiences = audience.map { #""audiences": ["\#($0)"]"# } ?? ""
    let answer = try await kube("/api/v1/namespaces/\(namespace)/serviceaccounts/\(name)/token", #"{"spec": {\#(audiences)}}"#)
    let file = "\(folder)/\(namespace)-\(name).token"
    try write(try #require(answer["status"]["token"].string), to: file)
    return file
  }

  func write(_ text: String, to file: String) throws {
    _ = FileManager.default.createFile(atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
  }
}
