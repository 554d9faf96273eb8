import Foundation
import Synchronization
import Testing

/// A real Kubernetes API server with its controllers, in a folder of its own (see scripts/api-server). There is no kubelet: a test says what
/// pods do.
final class KubernetesServer: Sendable {
  static let isPresent: Bool = {
    let folder = ProcessInfo.processInfo.environment["KUBEBUILDER_ASSETS"] ?? "/usr/local/kubebuilder/bin"
    return ["etcd", "kube-apiserver", "kube-controller-manager"].allSatisfy {
      FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)")
    }
  }()

  let folder = "/tmp/palana-it-kube-\(UInt32.random(in: 0...UInt32.max))"
  let url: String
  let caFile: String
  var kubeconfig: String { folder + "/kubeconfig" }
  private let token: String
  private let process: Mutex<Process>
  /// The server ends when this pipe does, so also when the test process dies.
  private let lifeline: Mutex<Pipe>

  init() async throws {
    let process = Process()
    process.executableURL = URL(filePath: Checkout.root + "scripts/api-server")
    process.arguments = [folder, "--controllers", "--stdin"]
    let lifeline = Pipe()
    process.standardInput = lifeline
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    self.lifeline = Mutex(lifeline)
    self.process = Mutex(process)
    let path = folder + "/kubeconfig"
    try await waitUntil("the API server is ready", within: .seconds(180)) { FileManager.default.fileExists(atPath: path) }
    let config = try JSON(parsing: String(contentsOfFile: path, encoding: .utf8))
    url = try #require(config["clusters"][0]["cluster"]["server"].string)
    caFile = try #require(config["clusters"][0]["cluster"]["certificate-authority"].string)
    token = try #require(config["users"][0]["user"]["token"].string)
  }

  /// One request of an administrator.
  /// - Returns: the status and the answer.
  @discardableResult
  func ask(
    _ method: String, _ path: String, _ body: String? = nil, type: String = "application/json"
  ) async throws -> (status: Int, answer: JSON) {
    var arguments = [
      "-s", "--max-time", "60", "--cacert", caFile, "-H", "authorization: Bearer \(token)", "-w", "\n%{http_code}", "-X", method,
      url + path,
    ]
    if body != nil { arguments += ["-H", "content-type: \(type)", "--data-binary", "@-"] }
    let done = try await run("/usr/bin/curl", arguments, input: body ?? "")
    let end = done.output.lastIndex(of: "\n") ?? done.output.startIndex
    return (Int(done.output[end...].dropFirst()) ?? 0, (try? JSON(parsing: String(done.output[..<end]))) ?? .null)
  }

  /// - Returns: the object; `.null` when there is none.
  func get(_ path: String) async throws -> JSON {
    let (status, answer) = try await ask("GET", path)
    return status == 200 ? answer : .null
  }

  /// Declares an object (server-side apply).
  func apply(_ path: String, _ body: String) async throws {
    let (status, answer) = try await ask("PATCH", path + "?fieldManager=test&force=true", body, type: "application/apply-patch+yaml")
    #expect((200..<300).contains(status), "\(path): \(status) \(answer["message"].string ?? "")")
  }

  func patchStatus(_ path: String, _ body: String) async throws {
    let (status, answer) = try await ask("PATCH", path + "/status", body, type: "application/merge-patch+json")
    #expect(status == 200, "\(path): \(status) \(answer["message"].string ?? "")")
  }

  func delete(_ path: String) async throws { try await ask("DELETE", path) }

  /// Makes the kinds of Palana known.
  func define() async throws {
    let printed = try await run(Checkout.palanad, ["crds", "-o", "json"])
    let list = try #require(try JSONSerialization.jsonObject(with: Data(printed.output.utf8)) as? [String: Any])
    var names: [String] = []
    for item in try #require(list["items"] as? [[String: Any]]) {
      let name = try #require((item["metadata"] as? [String: Any])?["name"] as? String)
      let text = String(decoding: try JSONSerialization.data(withJSONObject: item, options: .withoutEscapingSlashes), as: UTF8.self)
      try await apply("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/\(name)", text)
      names.append(String(name.prefix { $0 != "." }))
    }
    for name in names {
      try await waitUntil("\(name) are served") { try await self.ask("GET", "/apis/palana.dev/v1alpha1/\(name)").status == 200 }
    }
  }

  /// Applies one of the files with rights that are installed, as it is, and the service account that it is for.
  ///
  /// - Returns: a kubeconfig of that account.
  func account(_ role: String) async throws -> String {
    let accounts = "/api/v1/namespaces/palana-system/serviceaccounts/palana-\(role)"
    try await apply("/api/v1/namespaces/palana-system", "{apiVersion: v1, kind: Namespace, metadata: {name: palana-system}}")
    try await apply(accounts, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: palana-\(role)}}")
    let file = try String(contentsOfFile: Checkout.root + "deploy/helm/palana/rbac/\(role).yaml", encoding: .utf8)
    for document in file.components(separatedBy: "\n---\n") {
      let kind = try #require(document.firstMatch(of: /(?m)^kind: (\w+)$/)?.output.1)
      let name = try #require(document.firstMatch(of: /metadata: \{name: ([a-z-]+)/)?.output.1)
      let scope = kind.hasPrefix("Cluster") ? "" : "/namespaces/palana-system"
      try await apply("/apis/rbac.authorization.k8s.io/v1\(scope)/\(kind.lowercased())s/\(name)", document)
    }
    let (_, answer) = try await ask(
      "POST", accounts + "/token", "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\",\"spec\":{}}")
    let token = try #require(answer["status"]["token"].string)
    let path = folder + "/\(role).kubeconfig"
    try """
    {"apiVersion": "v1", "kind": "Config", "current-context": "c",
    "clusters": [{"name": "c", "cluster": {"server": "\(url)", "certificate-authority": "\(caFile)"}}],
    "users": [{"name": "u", "user": {"token": "\(token)"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "palana-system"}}]}
    """.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  /// A file with the token of an administrator.
  var adminToken: String { folder + "/tokens/admin-of-tests" }

  /// The token that the kubelet would have made for a pod, which is made here and which nobody runs.
  func token(ofPod pod: String, _ account: String, audience: String) async throws -> String {
    try token.write(toFile: adminToken, atomically: true, encoding: .utf8)
    let path = "/api/v1/namespaces/palana-system/pods/\(pod)"
    try await apply(
      path,
      "{apiVersion: v1, kind: Pod, metadata: {name: \(pod)}, spec: {serviceAccountName: \(account), containers: [{name: a, image: a}]}}")
    let uid = try #require(try await get(path)["metadata"]["uid"].string)
    let (_, answer) = try await ask(
      "POST", "/api/v1/namespaces/palana-system/serviceaccounts/\(account)/token",
      """
      {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["\(audience)"],
      "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "\(pod)", "uid": "\(uid)"}}}
      """)
    return try #require(answer["status"]["token"].string, "\(answer)")
  }

  /// Lets the API server itself stand still, or go on.
  func freeze(_ isFrozen: Bool) async throws {
    let parent = process.withLock { $0.processIdentifier }
    let found = try await run("/usr/bin/pgrep", ["-P", "\(parent)", "-f", "kube-apiserver"])
    let child = try #require(Int32(found.output.trimmingCharacters(in: .whitespacesAndNewlines)), "\(found.output)")
    kill(child, isFrozen ? SIGSTOP : SIGCONT)
  }

  func stop() {
    process.withLock { process in
      guard process.isRunning else { return }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    try? FileManager.default.removeItem(atPath: folder)
  }

  deinit { stop() }
}
