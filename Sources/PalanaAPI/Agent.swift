package import PalanaCore

/// An autonomous agent: one boundary, one place to run, one identity.
package typealias Agent = Resource<AgentSpec>

/// What is wanted of an agent. Optional fields fall back to its template, then to the defaults of the platform.
package struct AgentSpec: ResourceSpec {
  package typealias Status = AgentStatus
  package static var kind: String { "Agent" }
  package static var plural: String { "agents" }
  package static var isOwned: Bool { true }

  /// Raw identity; set by the server, immutable.
  package var owner: UserIdentity?
  /// The name of an `AgentTemplate`.
  package var template: String?
  /// `host`, `oci-archive:PATH`, `oci:PATH` or a registry reference; empty counts as absent.
  package var image: String?
  package var command: [String]?
  package var workingDirectory: String?
  package var env: [String: String]?
  package var resources: AgentResources?
  package var lifecycle: AgentLifecycle?
  package var ports: [AgentPort]?
  package var trust: AgentTrust?
  package var egress: AgentEgress?
  package var secrets: [AgentSecret]?
  package var reasoning: AgentReasoning?

  package init(
    owner: UserIdentity? = nil, template: String? = nil, image: String? = nil, command: [String]? = nil,
    workingDirectory: String? = nil, env: [String: String]? = nil, resources: AgentResources? = nil,
    lifecycle: AgentLifecycle? = nil, ports: [AgentPort]? = nil, trust: AgentTrust? = nil, egress: AgentEgress? = nil,
    secrets: [AgentSecret]? = nil, reasoning: AgentReasoning? = nil
  ) {
    self.owner = owner
    self.template = template
    self.image = image
    self.command = command
    self.workingDirectory = workingDirectory
    self.env = env
    self.resources = resources
    self.lifecycle = lifecycle
    self.ports = ports
    self.trust = trust
    self.egress = egress
    self.secrets = secrets
    self.reasoning = reasoning
  }
}

/// Limits of an agent.
package struct AgentResources: Codable, Hashable, Sendable {
  package var cpu: CPUQuantity?
  package var memory: ByteQuantity?
  package var pids: Int?
  package var storage: ByteQuantity?

  package init(cpu: CPUQuantity? = nil, memory: ByteQuantity? = nil, pids: Int? = nil, storage: ByteQuantity? = nil) {
    self.cpu = cpu
    self.memory = memory
    self.pids = pids
    self.storage = storage
  }
}

/// Whether an agent should run, and what happens when its process ends.
package struct AgentLifecycle: Codable, Hashable, Sendable {
  package enum Desired: String, Codable, Sendable, CaseIterable { case running = "Running", stopped = "Stopped" }
  package enum Restart: String, Codable, Sendable, CaseIterable {
    case never = "Never"
    case onFailure = "OnFailure"
    case always = "Always"
  }

  package var desired: Desired?
  package var restart: Restart?
  package var idleAfter: TimeSpan?
  /// Counts explicit restarts; the engine restarts the sandbox when it sees a new number.
  package var restartCount: Int?

  package init(
    desired: Desired? = nil, restart: Restart? = nil, idleAfter: TimeSpan? = nil, restartCount: Int? = nil
  ) {
    self.desired = desired
    self.restart = restart
    self.idleAfter = idleAfter
    self.restartCount = restartCount
  }
}

/// A port on which an agent listens.
package struct AgentPort: Codable, Hashable, Sendable {
  package var name: String
  package var port: Int
  /// Whether people may open it in a browser.
  package var browser: Bool?

  package init(name: String, port: Int, browser: Bool? = nil) {
    self.name = name
    self.port = port
    self.browser = browser
  }
}

/// The trust profile and phase an agent stands in.
package struct AgentTrust: Codable, Hashable, Sendable {
  package var profile: String?
  package var phase: String?

  package init(profile: String? = nil, phase: String? = nil) {
    self.profile = profile
    self.phase = phase
  }
}

/// The egress rules that an agent brings itself.
package struct AgentEgress: Codable, Hashable, Sendable {
  package var rules: [EgressRule]?
  package init(rules: [EgressRule]? = nil) { self.rules = rules }
}

/// A secret that an agent expects to have; its value lives in the secret store only.
package struct AgentSecret: Codable, Hashable, Sendable {
  package var name: String
  package init(name: String) { self.name = name }
}

/// What is observed of an agent.
package struct AgentStatus: Codable, Hashable, Sendable {
  package enum Phase: String, Codable, Sendable, CaseIterable {
    case pending = "Pending"
    case running = "Running"
    case stopped = "Stopped"
    case idle = "Idle"
    case failed = "Failed"
    case killed = "Killed"
  }

  package struct LastExit: Codable, Hashable, Sendable {
    /// The exit code, or 128 plus the signal.
    package var code: Int
    /// `Completed`, `Error`, `OOMKilled`, `Signaled`, `StartFailed`.
    package var reason: String
    package var time: Timestamp
    /// For `StartFailed`: what to do. Otherwise empty.
    package var message: String?

    package init(code: Int, reason: String, time: Timestamp, message: String? = nil) {
      self.code = code
      self.reason = reason
      self.time = time
      self.message = message
    }
  }

  package struct Usage: Codable, Hashable, Sendable {
    package var memoryBytes: Int64?
    package var cpuSeconds: Double?
    package var pids: Int?
    package var dataBytes: Int64?

    package init(memoryBytes: Int64? = nil, cpuSeconds: Double? = nil, pids: Int? = nil, dataBytes: Int64? = nil) {
      self.memoryBytes = memoryBytes
      self.cpuSeconds = cpuSeconds
      self.pids = pids
      self.dataBytes = dataBytes
    }
  }

  package var phase: Phase
  package var conditions: [Condition]?
  package var address: IPAddress?
  package var restarts: Int?
  package var oomKills: Int?
  package var startedAt: Timestamp?
  package var lastExit: LastExit?
  package var usage: Usage?
  package var lastActivity: Timestamp?
  /// The spec generation that this status speaks of.
  package var observedGeneration: Int64?

  package init(
    phase: Phase, conditions: [Condition]? = nil, address: IPAddress? = nil, restarts: Int? = nil,
    oomKills: Int? = nil, startedAt: Timestamp? = nil, lastExit: LastExit? = nil, usage: Usage? = nil,
    lastActivity: Timestamp? = nil, observedGeneration: Int64? = nil
  ) {
    self.phase = phase
    self.conditions = conditions
    self.address = address
    self.restarts = restarts
    self.oomKills = oomKills
    self.startedAt = startedAt
    self.lastExit = lastExit
    self.usage = usage
    self.lastActivity = lastActivity
    self.observedGeneration = observedGeneration
  }
}
