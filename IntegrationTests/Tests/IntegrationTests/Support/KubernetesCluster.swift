import Foundation
import Synchronization
import Testing

/// A real API server with its store and controllers, and requests to it as an administrator, with a program that is not ours (curl).
final class KubernetesCluster: Sendable {
  static let isPresent: Bool = {
    let folder = ProcessInfo.processInfo.environment["KUBEBUILDER_ASSETS"] ?? "/usr/local/kubebuilder/bin"
    return ["etcd", "kube-apiserver", "kube-controller-manager"].allSatisfy {
      FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)")
    }
  }()

  let folder = "/tmp/palana-it-kube-\(UInt32.random(in: 0...UInt32.max))"
  let url: String
  let kubeconfig: String
  private let ca: String
  /// The script that runs them all, and the pipe whose end ends it, so that they do not outlive the tests.
  private let running: Mutex<(process: Process, lifeline: Pipe)?>

  /// Runs `body` with a server of its own that knows our kinds.
  static func started(_ body: (KubernetesCluster) async throws -> Void) async throws {
    let cluster = try KubernetesCluster()
    defer {
      cluster.stop()
      try? FileManager.default.removeItem(atPath: cluster.folder)
    }
    let definitions = try await run(Checkout.palanad, ["crds"])
    #expect(definitions.code == 0, "\(definitions.error)")
    try await cluster.apply(definitions.output)
    for kind in ["agents", "agenttemplates", "peeringrules", "secretbindings", "killorders"] {
      try await waitUntil("\(kind) are served") { try await cluster.request("GET", Self.palana + kind).status == 200 }
    }
    try await cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: palana-system}}", at: "/api/v1/namespaces/palana-system")
    try await body(cluster)
  }

  private init() throws {
    let first = try Self.launch(folder, port: nil)
    let config = try JSON(parsing: String(contentsOfFile: first.kubeconfig, encoding: .utf8))
    kubeconfig = first.kubeconfig
    url = try #require(config["clusters"][0]["cluster"]["server"].string)
    ca = try #require(config["clusters"][0]["cluster"]["certificate-authority"].string)
    let token = try #require(config["users"][0]["user"]["token"].string)
    try "authorization: Bearer \(token)\n".write(toFile: folder + "/header", atomically: true, encoding: .utf8)
    running = Mutex((first.process, first.lifeline))
  }

  private static func launch(_ folder: String, port: String?) throws -> (process: Process, lifeline: Pipe, kubeconfig: String) {
    let process = Process()
    process.executableURL = URL(filePath: Checkout.root + "scripts/api-server")
    process.arguments = [folder, "--stdin", "--controllers"] + (port.map { ["--port", $0] } ?? [])
    let (lifeline, output) = (Pipe(), Pipe())
    process.standardInput = lifeline
    process.standardOutput = output
    try process.run()
    // Its path is said when it is ready.
    let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    let path = line.trimmingCharacters(in: .whitespacesAndNewlines)
    try #require(!path.isEmpty, "the API server did not start: \(folder)")
    return (process, lifeline, path)
  }

  /// Ends all of it; what is stored stays.
  func stop() {
    running.withLock { running in
      guard let (process, lifeline) = running else { return }
      try? lifeline.fileHandleForWriting.close()
      process.waitUntilExit()
      running = nil
    }
  }

  /// Starts it again with what was stored, at the same address.
  func start() throws {
    let again = try Self.launch(folder, port: url.split(separator: ":").last.map(String.init))
    running.withLock { $0 = (again.process, again.lifeline) }
  }

  /// Sends a signal to the API server alone, such as `SIGSTOP`.
  func signal(_ number: Int32) throws {
    let parent = try #require(running.withLock { $0?.process.processIdentifier })
    let children = try String(contentsOfFile: "/proc/\(parent)/task/\(parent)/children", encoding: .utf8).split(separator: " ")
    let found = children.compactMap { Int32($0) }.first { child in
      (try? String(contentsOfFile: "/proc/\(child)/comm", encoding: .utf8))?.hasPrefix("kube-apiserver") == true
    }
    kill(try #require(found), number)
  }

  // MARK: Requests

  static let palana = "/apis/palana.dev/v1alpha1/"
  private static let collections = [
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "Namespace": "/api/v1/namespaces",
    "AgentTemplate": palana + "agenttemplates", "KillOrder": palana + "killorders", "EgressPolicy": palana + "egresspolicies",
  ]
  private static let inNamespaces = ["Agent": "agents", "PeeringRule": "peeringrules", "SecretBinding": "secretbindings"]

  func request(
    _ method: String, _ path: String, _ body: String? = nil, type: String = "application/json", accept: String = "application/json"
  ) async throws -> (status: Int, text: String) {
    var arguments = [
      "-s", "-X", method, "--cacert", ca, "-H", "@\(folder)/header", "-H", "accept: \(accept)", "-w", "\n%{http_code}", "--max-time", "60",
    ]
    if body != nil { arguments += ["-H", "content-type: \(type)", "--data-binary", "@-"] }
    let done = try await run("/usr/bin/curl", arguments + [url + path], input: body ?? "")
    guard let cut = done.output.lastIndex(of: "\n") else { return (0, done.output) }
    return (Int(done.output[done.output.index(after: cut)...]) ?? 0, String(done.output[..<cut]))
  }

  /// - Returns: nil when there is none.
  func get(_ path: String) async throws -> JSON? {
    let answer = try await request("GET", path)
    if answer.status == 404 { return nil }
    try #require(answer.status == 200, "GET \(path): \(answer.status) \(answer.text)")
    return try JSON(parsing: answer.text)
  }

  func list(_ path: String) async throws -> [JSON] { try await get(path)?["items"].array ?? [] }

  /// As `kubectl apply --server-side` does.
  func apply(_ document: String, at path: String) async throws {
    let answer = try await request("PATCH", path + "?fieldManager=people&force=true", document, type: "application/apply-patch+yaml")
    #expect(answer.status == 200 || answer.status == 201, "\(path): \(answer.status) \(answer.text)")
  }

  /// Applies each document of a file of manifests that have their members in the usual order.
  func apply(_ manifests: String) async throws {
    for document in manifests.components(separatedBy: "\n---\n") {
      func first(_ pattern: Regex<(Substring, Substring)>) -> String? { document.firstMatch(of: pattern).map { String($0.1) } }
      let kind = try #require(first(/(?m)^kind: (\S+)/), "\(document)")
      let name = try #require(first(/(?m)^  name: (\S+)/), "\(document)")
      if let collection = Self.collections[kind] {
        try await apply(document, at: "\(collection)/\(name)")
      } else {
        let (plural, namespace) = (try #require(Self.inNamespaces[kind]), try #require(first(/(?m)^  namespace: (\S+)/)))
        try await apply(document, at: "\(Self.palana)namespaces/\(namespace)/\(plural)/\(name)")
      }
    }
  }

  /// Changes members, as somebody who goes by this name.
  func merge(_ path: String, _ patch: String, as manager: String = "people") async throws {
    let answer = try await request("PATCH", path + "?fieldManager=\(manager)", patch, type: "application/merge-patch+json")
    #expect(answer.status == 200, "\(path): \(answer.status) \(answer.text)")
  }

  func delete(_ path: String) async throws {
    let answer = try await request("DELETE", path)
    #expect([200, 202, 404].contains(answer.status), "\(path): \(answer.status) \(answer.text)")
  }

  /// How many requests with these verbs the server has had for each resource, in its own words (`APPLY`, `PATCH`, `POST`, `PUT`, `DELETE`).
  func requests(_ verbs: Set<String>) async throws -> [String: Int] {
    let metrics = try await request("GET", "/metrics", accept: "text/plain").text
    var totals: [String: Int] = [:]
    for line in metrics.split(separator: "\n") where line.hasPrefix("apiserver_request_total{") {
      guard let verb = line.firstMatch(of: /verb="([A-Z]+)"/)?.1, verbs.contains(String(verb)),
        let resource = line.firstMatch(of: /resource="([a-z]*)"/)?.1
      else { continue }
      totals[String(resource), default: 0] += Int(Double(line.split(separator: " ").last ?? "") ?? 0)
    }
    return totals
  }

  // MARK: Agents

  static func agent(_ name: String, in namespace: String = "people-alice") -> String { "\(palana)namespaces/\(namespace)/agents/\(name)" }

  /// The namespace that the operator made for an agent of Alice.
  func home(_ agent: String) async throws -> String? {
    try await list("/api/v1/namespaces").compactMap { $0["metadata"]["name"].string }
      .first { $0.hasPrefix("agent-alice-example-com-\(agent)-") }
  }

  /// Whether everything in the cluster is as these agents want it.
  func areApplied(_ names: some Sequence<String>) async throws -> Bool {
    var applied: Set<String> = []
    for agent in try await list(Self.palana + "agents") where Self.isApplied(agent) {
      if let name = agent["metadata"]["name"].string { applied.insert(name) }
    }
    return names.allSatisfy(applied.contains)
  }

  private static func isApplied(_ agent: JSON) -> Bool {
    agent["status"]["conditions"].array.contains { $0["type"].string == "Applied" && $0["status"].string == "True" }
  }
}
