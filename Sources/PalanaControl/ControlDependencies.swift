package import PalanaAPI
package import PalanaAudit
package import PalanaControlAPI
package import PalanaCore
package import PalanaPlan
package import PalanaStore

/// What requests work with, on behalf of somebody.
package struct ControlScope: Sendable {
  package var store: any ResourceStore
  package var engine: any AgentEngine
  package var containment: Containment
  package var secrets: any SecretWriter
  package var gateway: GatewayNotice
  package var egressTester: EgressTester
  package var attacker: AgentAttacker

  package init(
    store: any ResourceStore, engine: any AgentEngine, containment: Containment, secrets: any SecretWriter, gateway: GatewayNotice,
    egressTester: @escaping EgressTester, attacker: @escaping AgentAttacker
  ) {
    self.store = store
    self.engine = engine
    self.containment = containment
    self.secrets = secrets
    self.gateway = gateway
    self.egressTester = egressTester
    self.attacker = attacker
  }
}

/// How a kill reaches the planes.
package enum Containment: Sendable {
  /// They are here: each is told whom to cut.
  case planes([any ContainmentPlane])
  /// They are elsewhere and obey the order itself. Waits until they have said that they did, or cannot be waited for any longer.
  case orders(@Sendable (_ order: KillOrder, _ accepted: ContinuousClock.Instant) async -> [KillReport.Plane])
}

/// What the control API needs from the rest of the daemon.
package struct ControlDependencies: Sendable {
  /// Whose scope a request gets. In a cluster there is none without a caller, so nothing can be done as nobody.
  package enum Scopes: Sendable {
    case same(ControlScope)
    case each(@Sendable (Caller) async throws(PalanaError) -> ControlScope)
  }

  package var scopes: Scopes
  package var audit: any AuditSink
  package var auditReader: any AuditReader
  package var system: SystemProbe
  package var userNames: UserNames
  package var clock: WallClock
  /// What waiting is measured with.
  package var timer: any Clock<Duration>
  package var killEffort: PlaneCutter.Effort
  /// Where it is noted that people use an agent.
  package var activity: ActivityBook
  /// Of others' audit trails; nil: nothing is collected.
  package var collection: AuditCollection?
  /// Of language models; nil: there are no routes to any, or their gateways are elsewhere.
  package var llm: LLMProbe?

  package init(
    scopes: Scopes, audit: any AuditSink, auditReader: any AuditReader, system: SystemProbe, userNames: UserNames = .system,
    clock: WallClock = .system, timer: any Clock<Duration> = ContinuousClock(), killEffort: PlaneCutter.Effort = .init(),
    activity: ActivityBook = ActivityBook(), collection: AuditCollection? = nil, llm: LLMProbe? = nil
  ) {
    self.scopes = scopes
    self.audit = audit
    self.auditReader = auditReader
    self.system = system
    self.userNames = userNames
    self.clock = clock
    self.timer = timer
    self.killEffort = killEffort
    self.activity = activity
    self.collection = collection
    self.llm = llm
  }
}
