package import PalanaCore

/// One thing that happened, as it is written down. The JSON form is a stable interface; `seq`, `prevHash` and `hash`
/// are given by the log when the event joins the chain.
package struct AuditEvent: Hashable, Sendable {
  package enum Component: String, Codable, Sendable, CaseIterable {
    case egress, llm, git, secrets, lifecycle, policy, trust, investigation, auth, kill
  }

  package enum Decision: String, Codable, Sendable, CaseIterable { case allow, deny, error, info }

  /// How much attention it deserves. Absent in JSON when `normal`.
  package enum Severity: String, Codable, Sendable, CaseIterable { case normal, critical }

  package struct AgentRef: Codable, Hashable, Sendable {
    package var id: AgentID
    package var name: String
    package var owner: UserIdentity
    package init(id: AgentID, name: String, owner: UserIdentity) {
      self.id = id
      self.name = name
      self.owner = owner
    }
  }

  package struct Source: Codable, Hashable, Sendable {
    package var ip: IPAddress
    package var port: Int
    package init(ip: IPAddress, port: Int) {
      self.ip = ip
      self.port = port
    }
  }

  package struct Request: Codable, Hashable, Sendable {
    package var id: String
    package var method: String?
    package var scheme: String?
    package var host: String?
    package var port: Int?
    /// Without its query.
    package var path: String?
    package var `protocol`: String?
    package init(
      id: String, method: String? = nil, scheme: String? = nil, host: String? = nil, port: Int? = nil,
      path: String? = nil, protocol: String? = nil
    ) {
      self.id = id
      self.method = method
      self.scheme = scheme
      self.host = host
      self.port = port
      self.path = path
      self.protocol = `protocol`
    }
  }

  package struct Response: Codable, Hashable, Sendable {
    package var status: Int
    package var bytes: Int64
    package init(status: Int, bytes: Int64) {
      self.status = status
      self.bytes = bytes
    }
  }

  /// Who wrote an event that a collector took over, as the cluster says: nobody but the collector writes it.
  package struct Origin: Codable, Hashable, Sendable {
    /// The service account, `system:serviceaccount:NAMESPACE:NAME`.
    package var account: String
    /// Name of the pod.
    package var pod: String
    /// The chain in which it was written first.
    package var chain: String
    /// Its number there.
    package var seq: Int64
    package init(account: String, pod: String, chain: String, seq: Int64) {
      self.account = account
      self.pod = pod
      self.chain = chain
      self.seq = seq
    }
  }

  package var time: Timestamp
  package var component: Component
  /// A verb within the component: `request`, `connect`, `create`, `start`, `stop`, `kill`, `add`, `rotate`, …
  package var action: String
  package var decision: Decision
  package var severity: Severity
  /// From a closed list where the decision is deny or error (`DenialReason` for egress).
  package var reason: String?
  package var rule: String?
  package var policyVersion: String?
  package var agent: AgentRef?
  /// Raw identity of the person or program that acted; nil for agents themselves.
  package var actor: UserIdentity?
  package var source: Source?
  package var request: Request?
  package var response: Response?
  package var bytesSent: Int64?
  package var durationMs: Double?
  /// Names only.
  package var secrets: [String]
  /// Further facts of this action, for example the milliseconds of each plane of a kill. Few and short.
  package var details: [String: String]
  /// Nil: whoever keeps the chain wrote it.
  package var origin: Origin?

  package init(
    time: Timestamp, component: Component, action: String, decision: Decision, severity: Severity = .normal,
    reason: String? = nil, rule: String? = nil, policyVersion: String? = nil, agent: AgentRef? = nil,
    actor: UserIdentity? = nil, source: Source? = nil, request: Request? = nil, response: Response? = nil,
    bytesSent: Int64? = nil, durationMs: Double? = nil, secrets: [String] = [], details: [String: String] = [:],
    origin: Origin? = nil
  ) {
    self.time = time
    self.component = component
    self.action = action
    self.decision = decision
    self.severity = severity
    self.reason = reason
    self.rule = rule
    self.policyVersion = policyVersion
    self.agent = agent
    self.actor = actor
    self.source = source
    self.request = request
    self.response = response
    self.bytesSent = bytesSent
    self.durationMs = durationMs
    self.secrets = secrets
    self.details = details
    self.origin = origin
  }
}

/// Where components hand in their events. An event that was accepted survives the death of this process.
package protocol AuditSink: Sendable {
  /// Writes the event down, durably against a crash of the process, before it returns.
  ///
  /// Never blocks for longer than one `write(2)` to a local file. Safe from any thread.
  /// - Throws: ``AuditUnavailable`` when it cannot be kept (disk full, backlog over its bound): the caller then refuses the
  ///   action that the event is about.
  func record(_ event: AuditEvent) throws(AuditUnavailable)
}

/// The audit store cannot take an event: nothing may happen that it would have recorded.
package struct AuditUnavailable: Error, Hashable, Sendable {
  /// For operators; holds no user input.
  package let why: String
  package init(_ why: String) { self.why = why }
}
