import Foundation
import Synchronization
import Testing

/// An agent with the programs that people use, and the real servers that they talk to (see `clients/`). It lives on the shared
/// platform.
final class Clients: Sendable {
  /// Made for whoever asks first.
  static let shared = Shared()
  static let agent = "clients"
  /// What stands behind the agent's placeholders. Only the servers know it.
  static let keys = [
    "bearer": "value-of-the-bearer", "basic": "value-of-the-basic", "openai": "sk-value-of-openai",
    "anthropic": "sk-ant-value-of-it", "aws_id": "AKIAVALUEOFTHEAGENTS", "aws_key": "value-of-the-aws-key",
  ]

  let platform: Platform
  private let ports: JSON
  private let process: Mutex<Process>
  /// The servers end when this pipe does, so also when the test process dies.
  private let lifeline: Mutex<Pipe>

  actor Shared {
    private var making: Task<Clients, any Error>?

    func get() async throws -> Clients {
      let making = self.making ?? Task { try await Clients(Platform.shared.get()) }
      self.making = making
      return try await making.value
    }
  }

  private init(_ platform: Platform) async throws {
    self.platform = platform
    let tools = ProcessInfo.processInfo.environment["PALANA_TOOLS"] ?? "/opt/palana/tools"
    let python = tools + "/clients/bin/python"
    let folder = platform.upstream.folder
    let process = Process()
    process.executableURL = URL(filePath: python)
    let keys = String(decoding: try JSONEncoder().encode(Self.keys), as: UTF8.self)
    process.arguments = [
      Checkout.root + "IntegrationTests/clients/services/serve.py", folder, platform.upstream.address, keys,
    ]
    let lifeline = Pipe()
    process.standardInput = lifeline
    _ = FileManager.default.createFile(atPath: folder + "/services.log", contents: nil)
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle(forWritingAtPath: folder + "/services.log")
    try process.run()
    self.process = Mutex(process)
    self.lifeline = Mutex(lifeline)
    let path = folder + "/services.json"
    try await waitUntil("the servers listen") { FileManager.default.fileExists(atPath: path) }
    ports = try JSON(parsing: String(contentsOfFile: path, encoding: .utf8))
    try await makeAgent()
    let bundle = folder + "/clients.tar"
    let bundled = try await run(python, [Checkout.root + "IntegrationTests/clients/bundle.py", bundle])
    #expect(bundled.code == 0, "\(bundled.error)")
    let copied = try await run(
      "/bin/sh", ["-c", "exec \"$0\" --home \"$1\" cp - \"$2:/data/\" < \"$3\"", Checkout.pcli, platform.home, Self.agent, bundle])
    #expect(copied.code == 0, "\(copied.error)")
  }

  private func port(_ service: String) -> String { String(Int(ports[service].number ?? 0)) }

  /// It may reach every server as allowed.test, and the web server also as other.test, where no secret may go.
  private func makeAgent() async throws {
    let web = "allowed.test:" + port("web")
    try await platform.pcli(
      "create", Self.agent, "--template", "shell", "--memory", "2Gi", "--env", "PYTHONPATH=/data/packages", "--env",
      "OPENAI_BASE_URL=https://\(web)/v1", "--env", "ANTHROPIC_BASE_URL=https://\(web)")
    for service in ["web", "plain", "socket", "rpc", "buckets", "signed"] {
      try await platform.pcli("egress", "allow", Self.agent, "allowed.test:" + port(service))
    }
    try await platform.pcli("egress", "allow", Self.agent, "other.test:" + port("web"))
    func secret(_ name: String, _ key: String, _ more: [String]) async throws {
      try await platform.pcli(
        ["secrets", "add", Self.agent, name, "token=-", "--host", web] + more, input: try #require(Self.keys[key]))
    }
    try await secret("CLIENT_TOKEN", "bearer", ["socket", "rpc"].flatMap { ["--host", "allowed.test:" + port($0)] })
    try await secret("CLIENT_PASSWORD", "basic", ["--in", "basic"])
    try await secret("OPENAI_API_KEY", "openai", [])
    try await secret("ANTHROPIC_API_KEY", "anthropic", [])
    for (name, service) in [("AWS", "s3"), ("AWS_STS", "sts")] {
      try await platform.pcli(
        "secrets", "add", Self.agent, name, "access_key_id=\(try #require(Self.keys["aws_id"]))", "secret_access_key=-", "--host",
        "allowed.test:" + port("signed"), "--in", "aws-sigv4", "--aws-region", "us-east-1", "--aws-service", service, "--placeholder",
        "shape:aws-access-key", input: try #require(Self.keys["aws_key"]))
    }
    try await platform.pcli("run", Self.agent)
  }

  /// Where the servers are, as one client is told. The hosts that are denied have its name, so that their events are its own.
  private func urls(_ client: String) throws -> String {
    let denied = client + ".evil.test:"
    let all = [
      "web": "https://allowed.test:" + port("web"), "plain": "http://allowed.test:" + port("plain"),
      "other": "https://other.test:" + port("web"), "socket": "wss://allowed.test:" + port("socket"),
      "rpc": "allowed.test:" + port("rpc"), "buckets": "https://allowed.test:" + port("buckets"),
      "signed": "https://allowed.test:" + port("signed"),
      "denied": "https://\(denied)" + port("web"), "denied_plain": "http://\(denied)" + port("plain"),
      "socket_denied": "wss://\(denied)" + port("socket"), "rpc_denied": denied + port("rpc"),
    ]
    return String(decoding: try JSONEncoder().encode(all), as: UTF8.self)
  }

  /// Runs a program of `clients/inside` in the agent; what each of its cases came to.
  func outcomes(of client: String, _ command: [String]) async throws -> [String: String] {
    let finished = try await platform.pcli(["exec", Self.agent, "--"] + command + [try urls(client)])
    #expect(!finished.output.contains("value-of") && !finished.output.contains("AKIAVALUE"), "a value reached the agent")
    let line = try #require(finished.output.split(separator: "\n").last, "\(finished.error)")
    guard case .object(let outcomes) = try JSON(parsing: String(line)) else { return [:] }
    return outcomes.compactMapValues(\.string)
  }
}
