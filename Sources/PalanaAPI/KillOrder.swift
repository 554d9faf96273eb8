package import PalanaCore

/// A durable order to keep agents cut off. While it exists, every agent it names is `Killed`, whatever its spec wants.
package typealias KillOrder = Resource<KillOrderSpec>

package struct KillOrderSpec: ResourceSpec {
  package typealias Status = KillOrderStatus
  package static var kind: String { "KillOrder" }
  package static var plural: String { "killorders" }
  package static var isOwned: Bool { false }

  /// Whom it concerns.
  package enum Target: Codable, Hashable, Sendable {
    case agent(AgentID)
    case owner(UserIdentity)
    case template(String)
    case all
  }

  package var target: Target
  /// Why; shown to people and in the audit trail.
  package var reason: String
  /// Raw identity of who gave it.
  package var by: UserIdentity
  package var at: Timestamp
  /// Whether the processes are ended too; ``stops`` says what absent means.
  package var stop: Bool?

  package init(target: Target, reason: String, by: UserIdentity, at: Timestamp, stop: Bool? = nil) {
    self.target = target
    self.reason = reason
    self.by = by
    self.at = at
    self.stop = stop
  }

  /// Unless an order says that what is cut off may go on running, for somebody who wants to look at it, it is ended.
  package var stops: Bool { stop ?? true }
}

/// What was done about an order, and when.
package struct KillOrderStatus: Codable, Hashable, Sendable {
  /// What is cut at one place.
  package enum Plane: String, Codable, Hashable, CaseIterable, Sendable { case gateway, network, credentials, compute }

  /// Each is written by the one it names (`by`), and by nobody else.
  package struct Entry: Codable, Hashable, Sendable {
    package var plane: Plane
    /// A gateway by its pod’s name; `operator` for the other planes.
    package var by: String
    /// When it was done, or failed for the first time.
    package var at: Timestamp
    /// Why it is not done; absent when it is.
    package var error: String?

    package init(plane: Plane, by: String, at: Timestamp, error: String? = nil) {
      self.plane = plane
      self.by = by
      self.at = at
      self.error = error
    }
  }

  package var planes: [Entry]?

  package init(planes: [Entry]? = nil) { self.planes = planes }
}

extension KillOrderSpec.Target {
  /// Whether it speaks of `agent`. An agent without an owner is covered by everything: containment fails closed.
  package func covers(_ agent: Agent) -> Bool {
    guard let owner = agent.spec.owner else { return true }
    return switch self {
    case .agent(let id): id == AgentID(owner: owner, name: agent.metadata.name)
    case .owner(let raw): raw == owner
    case .template(let name): agent.spec.effectiveTemplateName == name
    case .all: true
    }
  }
}

/// As people read it: exactly one of `{agent: ID}`, `{owner: IDENTITY}`, `{template: NAME}`, `{all: true}`.
extension KillOrderSpec.Target {
  private enum CodingKeys: String, CodingKey { case agent, owner, template, all }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard let key = container.allKeys.first, container.allKeys.count == 1 else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: container.codingPath, debugDescription: "exactly one of agent, owner, template, all"))
    }
    switch key {
    case .agent: self = .agent(try container.decode(AgentID.self, forKey: key))
    case .owner: self = .owner(try container.decode(UserIdentity.self, forKey: key))
    case .template: self = .template(try container.decode(String.self, forKey: key))
    case .all:
      guard try container.decode(Bool.self, forKey: key) else {
        throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: "can only be true")
      }
      self = .all
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .agent(let id): try container.encode(id, forKey: .agent)
    case .owner(let owner): try container.encode(owner, forKey: .owner)
    case .template(let name): try container.encode(name, forKey: .template)
    case .all: try container.encode(true, forKey: .all)
    }
  }
}
