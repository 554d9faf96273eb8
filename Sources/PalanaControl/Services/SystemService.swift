import PalanaAPI
import PalanaAudit
package import PalanaControlAPI
package import PalanaCore
import PalanaStore

/// What the daemon tells of itself.
package struct SystemProbe: Sendable {
  package var startedAt: Timestamp
  package var home: String
  /// `address:port` of the egress gateway.
  package var gateway: @Sendable () async -> String
  package var components: @Sendable () async -> [InstallationStatus.Component]
  package var checks: @Sendable () async -> [DoctorReport.Check]
  /// Begins the end of the daemon and returns at once.
  package var shutdown: @Sendable (_ stopAgents: Bool) async throws(PalanaError) -> Void
  /// How the cluster is reached by people, with the namespace of one of them; nil on one machine.
  package var cluster: (@Sendable (UserIdentity) throws(PalanaError) -> ClusterAccess)?

  package init(
    startedAt: Timestamp, home: String, gateway: @escaping @Sendable () async -> String,
    components: @escaping @Sendable () async -> [InstallationStatus.Component],
    checks: @escaping @Sendable () async -> [DoctorReport.Check],
    shutdown: @escaping @Sendable (_ stopAgents: Bool) async throws(PalanaError) -> Void,
    cluster: (@Sendable (UserIdentity) throws(PalanaError) -> ClusterAccess)? = nil
  ) {
    self.startedAt = startedAt
    self.home = home
    self.gateway = gateway
    self.components = components
    self.checks = checks
    self.shutdown = shutdown
    self.cluster = cluster
  }
}

/// Status, self-checks and the end of the daemon.
package struct SystemService: Sendable {
  let probe: SystemProbe
  let resources: ResourceService
  let trail: AuditTrail
  let installation: String
  let version: String

  package func whoAmI(_ caller: Caller) -> WhoAmI {
    WhoAmI(
      user: caller.identity, operator: caller.isOperator, authentication: caller.authentication,
      impersonatedBy: caller.impersonatedBy, installation: installation, version: version)
  }

  package func status(_ caller: Caller) async throws(PalanaError) -> InstallationStatus {
    let agents = try await resources.list(AgentSpec.self, owner: nil, by: caller)
    let counts = Dictionary(grouping: agents) { ($0.status?.phase ?? .pending).rawValue }.mapValues(\.count)
    return InstallationStatus(
      version: version, startedAt: probe.startedAt, home: probe.home, gateway: await probe.gateway(),
      components: await probe.components(), agents: counts)
  }

  /// - Throws: ``PalanaError`` with code `notFound` where there is no cluster.
  package func cluster(_ caller: Caller) throws(PalanaError) -> ClusterAccess {
    guard let cluster = probe.cluster else {
      throw PalanaError(.notFound, "this installation is one machine, not a cluster", hint: "kubectl has nothing to reach here")
    }
    return try cluster(caller.identity)
  }

  package func doctor() async -> DoctorReport { DoctorReport(checks: await probe.checks()) }

  package func shutdown(_ request: ShutdownRequest, by caller: Caller) async throws(PalanaError) -> ShutdownResult {
    try trail.allow(.lifecycle, "shutdown", by: caller, details: ["stopAgents": String(request.stopAgents)])
    try await probe.shutdown(request.stopAgents)
    return ShutdownResult(accepted: true)
  }
}
