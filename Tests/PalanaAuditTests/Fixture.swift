import Foundation
import PalanaAudit
import PalanaCore

/// A folder of its own for one test, removed behind it.
func withFolder<T>(_ body: (String) throws -> T) throws -> T {
  let folder = NSTemporaryDirectory() + "palana-audit-" + RandomToken.hex(bytes: 8)
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}

func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }

func encoded(_ event: AuditEvent) -> [UInt8] {
  var bytes: [UInt8] = []
  AuditEncoder.encode(event, into: &bytes)
  return bytes
}

func agentRef(_ name: String = "demo", owner: String = "alice@example.com") throws -> AuditEvent.AgentRef {
  let owner = try UserIdentity(owner)
  return .init(id: AgentID(owner: owner, name: try ResourceName(name)), name: name, owner: owner)
}

/// An event with every field set.
func fullEvent(_ number: Int = 0) throws -> AuditEvent {
  AuditEvent(
    time: Timestamp(seconds: 1_790_000_000 + Int64(number)), component: .egress, action: "request", decision: .deny,
    severity: .critical, reason: "host_not_allowed", rule: "agent/r1", policyVersion: "v7", agent: try agentRef(),
    actor: try UserIdentity("bob@example.com"), source: .init(ip: .v4(0x0a4d_0005), port: 40_000),
    request: .init(
      id: "r-\(number)", method: "GET", scheme: "https", host: "api.github.com", port: 443, path: "/repos/a/b",
      protocol: "http/1.1"), response: .init(status: 403, bytes: 1234), bytesSent: 99, durationMs: 12.34,
    secrets: ["GITHUB_PAT", "OTHER"], details: ["b": "2", "a": "1"])
}
