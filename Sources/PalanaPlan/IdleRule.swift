package import PalanaCore

/// When an agent that does nothing is stopped: a pure decision. Nobody is stopped without having been warned before.
package struct IdleRule: Hashable, Sendable {
  /// What is known of one running agent.
  package struct Facts: Hashable, Sendable {
    /// How long it may do nothing.
    package var idleAfter: Duration
    /// The last thing it did or that was done to it, its start at the least.
    package var lastActivity: Timestamp
    /// When it was warned last.
    package var warnedAt: Timestamp?

    package init(idleAfter: Duration, lastActivity: Timestamp, warnedAt: Timestamp? = nil) {
      self.idleAfter = idleAfter
      self.lastActivity = lastActivity
      self.warnedAt = warnedAt
    }
  }

  package enum Decision: Hashable, Sendable {
    case leave
    /// It will be stopped then, unless something happens.
    case warn(stopsAt: Timestamp)
    case stop
  }

  /// How long before the end the warning comes; at most half of what the agent may do nothing for.
  package var warnBefore: Duration

  package init(warnBefore: Duration = .seconds(900)) { self.warnBefore = warnBefore }

  package func decide(_ facts: Facts, now: Timestamp) -> Decision {
    let notice = min(warnBefore, facts.idleAfter / 2)
    let end = facts.lastActivity + facts.idleAfter
    // A warning from before its last deed was about another silence.
    guard let warnedAt = facts.warnedAt, warnedAt >= facts.lastActivity, warnedAt <= now else {
      return now >= end - notice ? .warn(stopsAt: max(end, now + notice)) : .leave
    }
    return now >= max(end, warnedAt + notice) ? .stop : .leave
  }
}
