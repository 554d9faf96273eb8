import Foundation
import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaStore

/// A folder of its own for one test, removed behind it.
func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
  let folder = NSTemporaryDirectory() + "palana-store-" + RandomToken.hex(bytes: 8)
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try await body(folder)
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

func identity(_ raw: String) throws -> UserIdentity { try UserIdentity(raw) }
func name(_ text: String) throws -> ResourceName { try ResourceName(text) }

func agent(_ text: String = "demo", owner: String = "alice@example.com", image: String = "host") throws -> Agent {
  Agent(metadata: ObjectMeta(name: try name(text)), spec: AgentSpec(owner: try identity(owner), image: image))
}

func agentRef(_ text: String = "demo", owner: String = "alice@example.com") throws -> AuditEvent.AgentRef {
  let owner = try identity(owner)
  return .init(id: AgentID(owner: owner, name: try name(text)), name: text, owner: owner)
}

/// An event of the gateway.
func egressEvent(
  _ number: Int = 0, agent: String = "demo", owner: String = "alice@example.com", host: String = "api.github.com",
  decision: AuditEvent.Decision = .allow
) throws -> AuditEvent {
  AuditEvent(
    time: Timestamp(seconds: 1_790_000_000 + Int64(number)), component: .egress, action: "request", decision: decision,
    reason: decision == .deny ? "host_not_allowed" : nil, agent: try agentRef(agent, owner: owner),
    source: .init(ip: .v4(0x0a4d_0005), port: 40_000),
    request: .init(
      id: "r-\(number)", method: "GET", scheme: "https", host: host, port: 443, path: "/repos/a/b",
      protocol: "http/1.1"), response: .init(status: 200, bytes: 1234), bytesSent: 99, durationMs: 12.345,
    secrets: ["GITHUB_PAT"])
}
