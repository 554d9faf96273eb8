import FoundationEssentials
import Logging
import PalanaCore
import PalanaPolicy
import Testing

@testable import PalanaOPA

/// The real library, from `PALANA_OPA_LIBRARY` or where the set-up script puts it.
enum RealOPA {
  static let path =
    ProcessInfo.processInfo.environment["PALANA_OPA_LIBRARY"] ?? "/opt/palana/tools/opa/libopabridge.so"
  static let isInstalled = FileManager.default.isReadableFile(atPath: path)
  static let missing: Comment = "the OPA library is not installed: set PALANA_OPA_LIBRARY"

  static func library() throws -> OPALibrary { try OPALibrary(path: path) }

  /// Loads a guardrail, runs `body`, and closes it also when `body` throws.
  static func withGuardrail(
    _ files: [String: String], timeout: Duration = .seconds(20), _ body: (RegoGuardrail, Folder) async throws -> Void
  ) async throws {
    let folder = try Folder()
    defer { folder.remove() }
    for (name, text) in files { try folder.write(name, text) }
    let guardrail = try await RegoGuardrail.load(
      library: library(), options: .init(paths: [folder.path], timeout: timeout), logger: Logger(label: "test"))
    do {
      try await body(guardrail, folder)
    } catch {
      await guardrail.close()
      throw error
    }
    await guardrail.close()
  }
}

/// A folder of its own for one test.
struct Folder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/palana-opa-test-" + RandomToken.hex(bytes: 8)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  func write(_ name: String, _ text: String) throws { try write(name, bytes: Array(text.utf8)) }

  func write(_ name: String, bytes: [UInt8]) throws {
    let full = path + "/" + name
    let parent = full.split(separator: "/").dropLast().joined(separator: "/")
    try FileManager.default.createDirectory(atPath: "/" + parent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(filePath: full))
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}

/// A request of the agent `demo` of alice.
func request(
  _ method: String? = "GET", _ host: String = "api.example.com", _ path: String? = "/v1/items",
  stage: EgressRequest.Stage = .request, labels: [String: String] = ["team": "core"]
) throws -> EgressRequest {
  let owner = try UserIdentity("alice@example.com")
  let name = try ResourceName("demo")
  let subject = PolicySubject(
    id: AgentID(owner: owner, name: name), name: name, owner: owner, template: "python", labels: labels)
  return EgressRequest(
    subject: subject, stage: stage, scheme: .https,
    authority: Authority(host: try CanonicalHost.parse(host), port: 443), method: method, path: path)
}
