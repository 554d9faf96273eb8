package import PalanaCore

/// The answer of `/healthz`.
package struct Health: Codable, Hashable, Sendable {
  package var ok: Bool
  package init(ok: Bool) { self.ok = ok }
}

/// Who the caller is.
package struct WhoAmI: Codable, Hashable, Sendable {
  package enum Authentication: String, Codable, Sendable {
    case peerCredentials = "peer-credentials"
    case token
  }

  /// Raw identity; the impersonated one when an operator impersonates.
  package var user: UserIdentity
  package var `operator`: Bool
  package var authentication: Authentication
  /// The operator behind an impersonation.
  package var impersonatedBy: UserIdentity?
  /// Identifies the installation.
  package var installation: String
  package var version: String

  package init(
    user: UserIdentity, operator: Bool, authentication: Authentication, impersonatedBy: UserIdentity? = nil,
    installation: String, version: String
  ) {
    self.user = user
    self.operator = `operator`
    self.authentication = authentication
    self.impersonatedBy = impersonatedBy
    self.installation = installation
    self.version = version
  }
}

/// The state of an installation.
package struct InstallationStatus: Codable, Hashable, Sendable {
  package struct Component: Codable, Hashable, Sendable {
    /// For example `egress`, `secrets`, `store`.
    package var name: String
    package var healthy: Bool
    /// One sentence.
    package var message: String
    package init(name: String, healthy: Bool, message: String) {
      self.name = name
      self.healthy = healthy
      self.message = message
    }
  }

  package var version: String
  package var startedAt: Timestamp
  package var home: String
  /// `address:port` of the egress gateway.
  package var gateway: String
  package var components: [Component]
  /// Number of agents that the caller may see, by phase (`Pending` when there is no status yet).
  package var agents: [String: Int]

  package init(
    version: String, startedAt: Timestamp, home: String, gateway: String, components: [Component],
    agents: [String: Int]
  ) {
    self.version = version
    self.startedAt = startedAt
    self.home = home
    self.gateway = gateway
    self.components = components
    self.agents = agents
  }
}

/// How a person reaches the cluster of an installation with Kubernetes' own tools.
package struct ClusterAccess: Codable, Hashable, Sendable {
  /// What the cluster is called in a kubeconfig.
  package var name: String
  /// `https://…` of its API server.
  package var server: String
  /// PEM of the authority of the server's certificate; empty: those of the system.
  package var certificateAuthority: String
  /// Where the caller's objects stand.
  package var namespace: String

  package init(name: String, server: String, certificateAuthority: String, namespace: String) {
    self.name = name
    self.server = server
    self.certificateAuthority = certificateAuthority
    self.namespace = namespace
  }
}

/// Checks of an installation.
package struct DoctorReport: Codable, Hashable, Sendable {
  package enum State: String, Codable, Sendable, CaseIterable { case ok, warn, fail }

  package struct Check: Codable, Hashable, Sendable {
    package var name: String
    package var state: State
    /// What was found, one sentence.
    package var message: String
    /// What to do; empty when there is nothing to do.
    package var hint: String
    package init(name: String, state: State, message: String, hint: String = "") {
      self.name = name
      self.state = state
      self.message = message
      self.hint = hint
    }
  }

  package var checks: [Check]
  package init(checks: [Check]) { self.checks = checks }
}

/// Asks the daemon to end.
package struct ShutdownRequest: Codable, Hashable, Sendable {
  /// True: agents are stopped first (their desired state stays). False: they go on without a way out.
  package var stopAgents: Bool
  package init(stopAgents: Bool) { self.stopAgents = stopAgents }
}

/// The daemon will end.
package struct ShutdownResult: Codable, Hashable, Sendable {
  package var accepted: Bool
  package init(accepted: Bool) { self.accepted = accepted }
}
