package import PalanaCore

/// Whom a kill concerns: `{"agent": "demo"}`, `{"owner": "a@b"}`, `{"template": "python"}` or `{"all": true}`.
package enum KillTarget: Hashable, Sendable {
  /// The caller's agent of this name, or `?owner=`'s.
  case agent(String)
  case owner(UserIdentity)
  case template(String)
  case all
}

extension KillTarget: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case agent, owner, template, all }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    // Two targets in one object could be read as the narrower or the wider one: refuse.
    guard container.allKeys.count == 1, let key = container.allKeys.first else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "give exactly one of agent, owner, template, all"))
    }
    switch key {
    case .agent: self = .agent(try container.decode(String.self, forKey: key))
    case .owner: self = .owner(try container.decode(UserIdentity.self, forKey: key))
    case .template: self = .template(try container.decode(String.self, forKey: key))
    case .all:
      guard try container.decode(Bool.self, forKey: key) else {
        throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: "all is true or absent")
      }
      self = .all
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .agent(let name): try container.encode(name, forKey: .agent)
    case .owner(let owner): try container.encode(owner, forKey: .owner)
    case .template(let name): try container.encode(name, forKey: .template)
    case .all: try container.encode(true, forKey: .all)
    }
  }
}

/// Asks for a kill, or takes one back.
package struct KillRequest: Codable, Hashable, Sendable {
  package var target: KillTarget
  /// Why; it stands in the order and in the audit trail.
  package var reason: String

  package init(target: KillTarget, reason: String) {
    self.target = target
    self.reason = reason
  }
}

/// What a kill, or its taking back, did and how long it took.
package struct KillReport: Codable, Hashable, Sendable {
  package struct AgentEntry: Codable, Hashable, Sendable {
    package var id: AgentID
    package var name: String
    package var owner: UserIdentity
    package init(id: AgentID, name: String, owner: UserIdentity) {
      self.id = id
      self.name = name
      self.owner = owner
    }
  }

  package struct Plane: Codable, Hashable, Sendable {
    /// `gateway`, `network`, `secrets`, `compute`.
    package var name: String
    /// From the moment the request was accepted until this plane was done (or gave up).
    package var milliseconds: Double
    /// How often it was tried.
    package var attempts: Int
    /// Why it is not done; absent when it is.
    package var error: String?
    package init(name: String, milliseconds: Double, attempts: Int, error: String? = nil) {
      self.name = name
      self.milliseconds = milliseconds
      self.attempts = attempts
      self.error = error
    }
  }

  /// The order that was written, or the orders that were removed.
  package var orders: [String]
  /// The agents that were cut off, or let back.
  package var agents: [AgentEntry]
  package var planes: [Plane]
  /// From the moment the request was accepted until every plane was done.
  package var totalMilliseconds: Double
  /// What else must be known: a plane that failed, an audit trail that could not take the event, orders still in force.
  package var warnings: [String]

  package init(
    orders: [String], agents: [AgentEntry], planes: [Plane], totalMilliseconds: Double, warnings: [String] = []
  ) {
    self.orders = orders
    self.agents = agents
    self.planes = planes
    self.totalMilliseconds = totalMilliseconds
    self.warnings = warnings
  }
}
