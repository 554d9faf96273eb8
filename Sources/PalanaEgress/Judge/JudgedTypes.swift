package import PalanaAudit
package import PalanaCore
package import PalanaPolicy

/// The head of a request that another proxy has read.
package struct JudgedHead: Sendable {
  package struct Field: Sendable {
    package var name: String
    package var value: [UInt8]

    package init(name: String, value: [UInt8]) {
      self.name = name
      self.value = value
    }
  }

  package var method: String
  /// The authority of CONNECT; the path and query, or `*`, of all else.
  package var target: String
  /// What `Host` or `:authority` says.
  package var authority: String
  /// Every field once for each time that it stands in the request, without `Host`.
  package var fields: [Field]
  /// The server name of the TLS handshake; nil outside of tunnels.
  package var serverName: String?
  package var isHTTP10: Bool

  package init(
    method: String, target: String, authority: String, fields: [Field], serverName: String? = nil, isHTTP10: Bool = false
  ) {
    self.method = method
    self.target = target
    self.authority = authority
    self.fields = fields
    self.serverName = serverName
    self.isHTTP10 = isHTTP10
  }
}

/// How the head of an allowed request differs from what the agent sent. Values may hold credentials.
package struct HeadChanges: Sendable {
  package struct Setting: Sendable {
    package var name: String
    package var value: Redacted<String>
    /// Whether it is one more field of this name; otherwise it takes the place of all.
    package var appends: Bool
  }

  package var removed: [String] = []
  package var set: [Setting] = []
  /// Nil: as it came.
  package var target: Redacted<String>?
  /// Nil: as it came.
  package var authority: String?
}

/// The answer to one ``JudgedHead``.
package enum Judgement: Sendable {
  /// It may pass, so changed. A tunnel has no upstream: what is asked inside of it has.
  case allowed(id: String, HeadChanges, upstream: AddressPermit?)
  case refused(id: String, JudgedRefusal)
}

/// What the agent is answered.
package struct JudgedRefusal: Sendable {
  package var status: Int
  package var body: String
  package var fields: [(name: String, value: String)]
}

/// How a request that was allowed has ended, as the other proxy saw it.
package struct JudgedEnd: Sendable {
  package enum Outcome: Sendable {
    case complete
    /// The agent closed its connection.
    case aborted
    case failed(DenialReason)
    /// No byte moved for too long.
    case idle
  }

  package var outcome: Outcome
  package var status: Int?
  package var bytesSent: Int64
  package var bytesReceived: Int64

  package init(outcome: Outcome, status: Int?, bytesSent: Int64, bytesReceived: Int64) {
    self.outcome = outcome
    self.status = status
    self.bytesSent = bytesSent
    self.bytesReceived = bytesReceived
  }
}

/// Where a request comes from: the agent by the listener that it came in at, and the address of its connection.
package struct JudgedSource: Sendable {
  package var agent: AgentID
  package var source: AuditEvent.Source
  /// The tunnel that it came through.
  package var tunnel: String?

  package init(agent: AgentID, source: AuditEvent.Source, tunnel: String?) {
    self.agent = agent
    self.source = source
    self.tunnel = tunnel
  }
}

/// What the other proxy saw of the TLS handshake inside of a tunnel.
package struct JudgedHandshake: Sendable {
  package enum Outcome: Sendable {
    /// It succeeded, or nobody began one.
    case fine
    case failed
    /// Something other than TLS came through the tunnel.
    case notTLS
  }

  /// Empty: the client named none.
  package var serverName: String
  package var outcome: Outcome

  package init(serverName: String, outcome: Outcome) {
    self.serverName = serverName
    self.outcome = outcome
  }
}
