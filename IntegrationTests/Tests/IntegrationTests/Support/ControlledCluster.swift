import Foundation
import Synchronization
import Testing

/// A real API server with its controllers, an operator and a control API under exactly its own rights, and people who may sign in.
final class ControlledCluster: Sendable {
  static let isPresent: Bool = {
    let folder = ProcessInfo.processInfo.environment["KUBEBUILDER_ASSETS"] ?? "/usr/local/kubebuilder/bin"
    return ["etcd", "kube-apiserver", "kube-controller-manager"].allSatisfy {
      FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)")
    }
  }()

  private static let rights = "/apis/rbac.authorization.k8s.io/v1/"
  private static let people = ["alice@example.com", "bob@example.com"]

  let folder = "/tmp/palana-it-control-\(UInt32.random(in: 0...UInt32.max))"
  private let server: String
  private let token: String
  private let processes = Mutex<[Process]>([])
  /// The API server ends when this closes.
  private let lifeline = Pipe()
  private let port = Mutex("")

  static func started(_ body: (ControlledCluster) async throws -> Void) async throws {
    let cluster = try ControlledCluster()
    defer { cluster.end() }
    try await cluster.prepare()
    try await body(cluster)
  }

  private init() throws {
    let process = Process()
    process.executableURL = URL(filePath: Checkout.root + "scripts/api-server")
    process.arguments = [folder, "--stdin", "--controllers"] + Self.people.flatMap { ["--user", $0] }
    let output = Pipe()
    process.standardInput = lifeline
    process.standardOutput = output
    try process.run()
    let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    let path = line.trimmingCharacters(in: .whitespacesAndNewlines)
    try #require(!path.isEmpty, "the API server did not start: \(folder)")
    let config = try JSON(parsing: String(contentsOfFile: path, encoding: .utf8))
    server = try #require(config["clusters"][0]["cluster"]["server"].string)
    token = try #require(config["users"][0]["user"]["token"].string)
    try token.write(toFile: folder + "/tokens/admin", atomically: true, encoding: .utf8)
    processes.withLock { $0.append(process) }
  }

  private func end() {
    try? lifeline.fileHandleForWriting.close()
    // The API server was first; it collects its own.
    for process in processes.withLock({ $0 }).reversed() {
      if process.isRunning { process.terminate() }
      process.waitUntilExit()
    }
    try? FileManager.default.removeItem(atPath: folder)
  }

  private func prepare() async throws {
    for document in try await run(Checkout.palanad, ["crds"]).output.components(separatedBy: "\n---\n") {
      let name = try #require(document.firstMatch(of: /(?m)^  name: (\S+)/)?.1, "\(document.prefix(200))")
      try await apply(document, at: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/\(name)")
    }
    for kind in ["agents", "agenttemplates", "egresspolicies", "peeringrules", "secretbindings", "killorders", "llmbudgets"] {
      try await waitUntil("\(kind) are served") { try await request("GET", "/apis/palana.dev/v1alpha1/\(kind)").status == 200 }
    }
    try await apply("{apiVersion: v1, kind: Namespace, metadata: {name: palana-system}}", at: "/api/v1/namespaces/palana-system")
    let account = "/api/v1/namespaces/palana-system/serviceaccounts/palana-control"
    try await apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: palana-control, namespace: palana-system}}", at: account)
    let roles = try ["control", "people"].map { file in
      try String(contentsOfFile: Checkout.root + "deploy/helm/palana/rbac/\(file).yaml", encoding: .utf8)
    }
    for document in roles.flatMap({ $0.components(separatedBy: "\n---\n") }) {
      let kind = String(try #require(document.firstMatch(of: /(?m)^kind: (\S+)/)?.1))
      let name = try #require(document.firstMatch(of: /(?m)^  name: (\S+)/)?.1)
      let place = kind.hasPrefix("Cluster") ? "" : "namespaces/palana-system/"
      try await apply(document, at: "\(Self.rights)\(place)\(kind.lowercased())s/\(name)")
    }
    let granted = try await request(
      "POST", account + "/token", #"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}"#)
    let own = try #require(try JSON(parsing: granted.text)["status"]["token"].string)
    let kubeconfig = try String(contentsOfFile: folder + "/kubeconfig", encoding: .utf8).replacingOccurrences(of: token, with: own)
    try kubeconfig.write(toFile: folder + "/control.kubeconfig", atomically: true, encoding: .utf8)
    try await startOperator()
    try await startControl()
  }

  // MARK: Our programs

  private func startOperator() async throws {
    try "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n".write(
      toFile: folder + "/ca.pem", atomically: true, encoding: .utf8)
    try String(repeating: "k", count: 40).write(toFile: folder + "/key", atomically: true, encoding: .utf8)
    try """
    gateway: {host: palana-gateway.palana-system.svc, pods: {namespace: palana-system, labels: {app: gateway}}}
    caFile: \(folder)/ca.pem
    proxyKeyFile: \(folder)/key
    """.write(toFile: folder + "/operator.yaml", atomically: true, encoding: .utf8)
    try start(
      "operator",
      ["operator", "--config", folder + "/operator.yaml", "--kubeconfig", folder + "/kubeconfig", "--namespace", "palana-system"])
  }

  private func startControl() async throws {
    let made = try await run(
      "/usr/bin/openssl",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=control.test",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder + "/tls.key", "-out", folder + "/tls.crt",
      ])
    try #require(made.code == 0, "\(made.error)")
    try """
    listen: 127.0.0.1:0
    tls: {certFile: \(folder)/tls.crt, keyFile: \(folder)/tls.key}
    home: \(folder)/control
    namespace: palana-system
    installation: test
    killPatience: 2
    """.write(toFile: folder + "/control.yaml", atomically: true, encoding: .utf8)
    try start("control", ["control", "--config", folder + "/control.yaml", "--kubeconfig", folder + "/control.kubeconfig"])
    try await waitUntil("the control API listens") {
      guard let found = log("control").firstMatch(of: /the control API listens.*?port=(\d+)|port=(\d+).*the control API listens/) else {
        return false
      }
      port.withLock { $0 = String(found.1 ?? found.2 ?? "") }
      return true
    }
  }

  private func start(_ name: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: Checkout.palanad)
    process.arguments = arguments
    _ = FileManager.default.createFile(atPath: "\(folder)/\(name).log", contents: nil)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: "/dev/null")
    process.standardError = FileHandle(forWritingAtPath: "\(folder)/\(name).log")
    try process.run()
    processes.withLock { $0.append(process) }
  }

  func log(_ name: String) -> String { (try? String(contentsOfFile: "\(folder)/\(name).log", encoding: .utf8)) ?? "" }

  /// Runs `pcli` as somebody.
  func pcli(as person: String, _ arguments: [String], input: String = "", expect code: Int32? = 0) async throws -> Finished {
    let done = try await run(
      Checkout.pcli, ["--token-file", "\(folder)/tokens/\(person)"] + arguments, input: input,
      environment: ["PALANA_URL": "https://127.0.0.1:\(port.withLock { $0 })", "PALANA_CA_FILE": folder + "/tls.crt"])
    if let code, done.code != code {
      Issue.record(
        "\(person): pcli \(arguments.joined(separator: " ")) ended with \(done.code), not \(code): \(done.error)\(log("control"))")
      throw UnexpectedExit(code: done.code)
    }
    return done
  }

  func pcli(as person: String, _ arguments: String..., expect code: Int32? = 0) async throws -> Finished {
    try await pcli(as: person, arguments, expect: code)
  }

  // MARK: Requests as an administrator

  func request(
    _ method: String, _ path: String, _ body: String? = nil, type: String = "application/json", token other: String? = nil
  ) async throws -> (status: Int, text: String) {
    var arguments = [
      "-s", "-X", method, "--cacert", folder + "/certificates/apiserver.crt", "-H", "authorization: Bearer \(other ?? token)", "-w",
      "\n%{http_code}", "--max-time", "60",
    ]
    if body != nil { arguments += ["-H", "content-type: \(type)", "--data-binary", "@-"] }
    let done = try await run("/usr/bin/curl", arguments + [server + path], input: body ?? "")
    guard let cut = done.output.lastIndex(of: "\n") else { return (0, done.output) }
    return (Int(done.output[done.output.index(after: cut)...]) ?? 0, String(done.output[..<cut]))
  }

  func apply(_ document: String, at path: String, as manager: String = "people") async throws {
    let answer = try await request("PATCH", path + "?fieldManager=\(manager)&force=true", document, type: "application/apply-patch+yaml")
    try #require(answer.status == 200 || answer.status == 201, "\(path): \(answer.status) \(answer.text)")
  }
}
