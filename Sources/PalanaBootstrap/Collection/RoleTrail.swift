import Glibc
import Logging
import PalanaAudit
import PalanaCore
import PalanaStore
import ServiceLifecycle

/// The audit trail of a role that keeps nothing: lines on the standard output, and where a collector is named also a chain in a folder of
/// its own, until it is collected.
struct RoleTrail {
  let sink: any AuditSink
  /// Nil without a collector.
  let collected: (log: AuditLog, forwarder: AuditForwarder)?

  /// - Parameter label: of the files, for people.
  /// - Throws: ``PalanaError``: `invalid` for a configuration that makes no sense, `conflict` when another process uses the folder, `failed`.
  static func open(home: String?, _ audit: AuditFile?, label: String, logger: Logger) async throws(PalanaError) -> RoleTrail {
    let stream = AuditStream(descriptor: STDOUT_FILENO)
    switch (home, try audit?.settings()) {
    case (nil, nil): return RoleTrail(sink: stream, collected: nil)
    case (let home?, let settings?):
      let layout = HomeLayout(home: home)
      try layout.prepare([layout.auditSpool])
      let spool = try AuditSpool(directory: layout.auditSpool)
      let log = try await AuditLog.open(
        path: layout.auditDatabase, spool: spool, retention: LocalConfiguration().auditRetention,
        headKey: try await AuditHeadKey.load(layout.auditHeadKey), logger: logger)
      return RoleTrail(
        sink: AuditTee(spool.makeWriter(label: label), stream),
        collected: (log, AuditForwarder(log, to: settings, logger: logger)))
    default:
      throw PalanaError(
        .invalid, "home and audit.collector go together: what is recorded waits in a folder until it is collected",
        hint: "home: /var/lib/palana/home")
    }
  }

  /// In the order in which they start.
  var services: [any Service] { collected.map { [$0.log, $0.forwarder] } ?? [] }
}
