import Foundation
import Logging
import PalanaAudit
import PalanaControl
import PalanaControlAPI
import PalanaCore
import PalanaStore
import ServiceLifecycle
import Synchronization

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A folder of its own for one test, removed behind it.
func withFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
  let folder = NSTemporaryDirectory() + "/palana-bootstrap-" + RandomToken.hex(bytes: 8)
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try await body(folder)
}

/// Gives `body` the path of a file with this text.
func withText<Value>(_ text: String, _ body: (String) async throws -> Value) async throws -> Value {
  try await withFolder { folder in
    let path = folder + "/file.yaml"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return try await body(path)
  }
}

func openLog(_ path: String, clock: WallClock = .system) async throws -> (log: AuditLog, writer: AuditSpool.Writer) {
  let spool = try AuditSpool(directory: path + "-spool")
  return (try await AuditLog.open(path: path + ".sqlite", spool: spool, clock: clock, logger: quiet), spool.makeWriter(label: "test"))
}

func event(_ number: Int) -> AuditEvent {
  AuditEvent(
    time: Timestamp(seconds: 1_790_000_000 + Int64(number)), component: .egress, action: "request", decision: .allow,
    details: ["number": String(number)])
}

/// Runs services while `body` does, and ends them in order.
func running(_ services: [any Service], _ body: () async throws -> Void) async throws {
  let group = ServiceGroup(configuration: .init(services: services.map { .init(service: $0) }, logger: quiet))
  async let run: Void = group.run()
  let result: Result<Void, any Error>
  do { result = .success(try await body()) } catch { result = .failure(error) }
  await group.triggerGracefulShutdown()
  try await run
  try result.get()
}

/// A control API that takes the trails of whoever has the token `sender-POD`.
struct Collector {
  let log: AuditLog
  let control: ControlService

  init(_ path: String) async throws {
    let (log, writer) = try await openLog(path)
    self.log = log
    let collection = AuditCollection(log: log) { token in
      guard token.reveal().hasPrefix("sender-") else { throw Authenticator.unknown }
      return AuditSender(identity: try UserIdentity(Self.account), pod: String(token.reveal().dropFirst(7)))
    }
    control = try ControlService(
      ControlConfiguration(
        socket: nil, network: .init(address: .v4(0x7f00_0001), port: 0, certificate: nil) { _ in throw Authenticator.unknown },
        installation: "test", version: "0"),
      ControlDependencies(
        scopes: .each { _ throws(PalanaError) in throw PalanaError(.denied, "nobody") }, audit: writer,
        auditReader: AuditLogReader(log: log),
        system: SystemProbe(
          startedAt: Timestamp(seconds: 1), home: "", gateway: { "" }, components: { [] }, checks: { [] },
          shutdown: { _ throws(PalanaError) in }, cluster: { _ throws(PalanaError) in throw PalanaError(.notFound, "none") }),
        collection: collection),
      logger: quiet)
  }

  static let account = "system:serviceaccount:palana-system:palana-gateway"

  /// Answers at the other end of the relay while `body` runs.
  func answering(_ relay: Relay, _ body: () async throws -> Void) async throws {
    try await running([log, control]) {
      relay.target.withLock { $0 = 0 }
      let port = await control.tcpPort() ?? 0
      relay.target.withLock { $0 = port }
      defer { relay.target.withLock { $0 = 0 } }
      try await body()
    }
  }

  /// Returns when so many records of the pod were taken, with what they are.
  func taken(_ count: Int, of pod: String = "g-0") async throws -> [AuditEvent] {
    var events: [AuditEvent] = []
    for try await record in log.follow(AuditQuery(pod: pod, afterSeq: 0), scope: .everything) {
      events.append(record.event)
      if events.count == count { return events }
    }
    return events
  }
}
