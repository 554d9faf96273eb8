package import PalanaAudit
package import PalanaCore
package import PalanaPlan
package import PalanaStore

/// What the control API needs from the rest of the daemon.
package struct ControlDependencies: Sendable {
  package var store: any ResourceStore
  package var engine: any AgentEngine
  package var planes: [any ContainmentPlane]
  package var audit: any AuditSink
  package var auditReader: any AuditReader
  package var secrets: any SecretWriter
  package var gateway: GatewayNotice
  package var egressTester: EgressTester
  package var attacker: AgentAttacker
  package var system: SystemProbe
  package var userNames: UserNames
  package var clock: WallClock
  /// What waiting is measured with.
  package var timer: any Clock<Duration>
  package var killEffort: PlaneCutter.Effort
  /// Where it is noted that people use an agent.
  package var activity: ActivityBook

  package init(
    store: any ResourceStore, engine: any AgentEngine, planes: [any ContainmentPlane], audit: any AuditSink,
    auditReader: any AuditReader, secrets: any SecretWriter, gateway: GatewayNotice,
    egressTester: @escaping EgressTester, attacker: @escaping AgentAttacker, system: SystemProbe, userNames: UserNames = .system,
    clock: WallClock = .system,
    timer: any Clock<Duration> = ContinuousClock(), killEffort: PlaneCutter.Effort = .init(),
    activity: ActivityBook = ActivityBook()
  ) {
    self.store = store
    self.engine = engine
    self.planes = planes
    self.audit = audit
    self.auditReader = auditReader
    self.secrets = secrets
    self.gateway = gateway
    self.egressTester = egressTester
    self.attacker = attacker
    self.system = system
    self.userNames = userNames
    self.clock = clock
    self.timer = timer
    self.killEffort = killEffort
    self.activity = activity
  }
}
